"""Network namespaces: hosts that a test has to itself, and cables between them."""

import contextlib
import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.network.nftables import Firewall
from runtime.network.rtnetlink import Links
from tests.parts.process import output
from tests.parts.required import require_root, required


@dataclass(frozen=True)
class Netns:
    """A network namespace in which loopback is up."""

    name: str

    def command(self, *words: str) -> list[str]:
        """What runs a command in it; unlike `ip netns exec` with the mounts of this host."""
        return [required("nsenter"), f"--net=/run/netns/{self.name}", *words]

    def __call__(self, *words: str) -> str:
        """Run what must succeed; its stdout."""
        return output(*self.command(*words))

    def links(self) -> set[str]:
        """The names of its interfaces."""
        return {line.split()[1].partition("@")[0].rstrip(":") for line in self("ip", "-o", "link").splitlines()}

    def plug_into(self, other: "Netns", subnet: str) -> tuple[str, str]:
        """Lay a cable to another one; the addresses of the two ends."""
        ends = [str(address) for address in list(ipaddress.ip_network(subnet).hosts())[:2]]
        names = [f"c{os.urandom(4).hex()}" for _ in ends]
        self("ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1], "netns", other.name)
        for where, name, address in zip((self, other), names, ends, strict=True):
            where("ip", "address", "add", f"{address}/{subnet.partition('/')[2]}", "dev", name)
            where("ip", "link", "set", name, "up")
        return ends[0], ends[1]


def remove_networks(folder: Path) -> None:
    """Remove the bridges and rules of the default networks whose records are in a state directory below a folder."""
    for pattern in ("*-state/networks/bridge.json", "*/*-state/networks/bridge.json"):
        for record in folder.glob(pattern):
            name = json.loads(record.read_text())["interface"]
            with contextlib.closing(Links()) as links, contextlib.closing(Firewall()) as firewall:
                links.delete(name)
                firewall.delete(name)


@contextlib.contextmanager
def netns() -> Iterator[Netns]:
    """A network namespace for the length of a `with`."""
    require_root()
    made = Netns(f"preg-{os.urandom(4).hex()}")
    output(required("ip"), "netns", "add", made.name)
    try:
        made("ip", "link", "set", "lo", "up")
        yield made
    finally:
        output(required("ip"), "netns", "delete", made.name)
