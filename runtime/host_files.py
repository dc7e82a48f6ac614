"""The files of a container's ``/etc`` that tell it of this host, and of itself."""

from __future__ import annotations

import os

from runtime.mounts import Mount
from runtime.network import hosts
from runtime.network.plan import BRIDGES, HOST, SHARED
from runtime.record import write_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.config import Config
    from runtime.container import Container
    from runtime.network.plan import Plan

#: What stands for this host in ``--add-host``.
GATEWAY: Final = "host-gateway"
#: All of this host that a container without a network reaches is what shares its network.
_LOOPBACK: Final = "127.0.0.1"
_NAMES: Final = ("hosts", "hostname", "resolv.conf")


def name_host(container: Container, wishes: Wishes, plan: Plan) -> str:
    """Say what a container calls itself."""
    if wishes.hostname:
        return wishes.hostname
    if plan.kind == SHARED:
        with open(f"{_folder(container, plan)}/hostname", encoding="utf-8") as file:
            return file.read().strip()
    return os.uname().nodename if wishes.host_uts or plan.kind == HOST else container.short_id


def write_host_files(container: Container, wishes: Wishes, hostname: str, plan: Plan, here: Config) -> list[Mount]:
    """Write the files, but for those that the person brings along, and say where they are to be mounted."""
    taken = {mount.target for mount in wishes.mounts}
    folder = _folder(container, plan)
    if plan.kind != SHARED:  # else they are the other container's, as the network is
        names = hosts.names_of(hostname, wishes.domainname)
        resolvers = hosts.resolvers(of_host=plan.kind == HOST)
        contents = (
            hosts.base(plan.kind, names) + hosts_lines(wishes.hosts, _gateway(plan, here) if wishes.hosts else ""),
            f"{hostname}\n",
            resolv_conf(resolvers, wishes.dns, wishes.dns_search, wishes.dns_options),
        )
        for name, content in zip(_NAMES, contents, strict=True):
            if f"/etc/{name}" not in taken:
                write_text(f"{folder}/{name}", content)
                os.chmod(f"{folder}/{name}", 0o644)
    return [Mount(f"{folder}/{name}", f"/etc/{name}") for name in _NAMES if f"/etc/{name}" not in taken]


def resolv_conf(text: str, servers: Sequence[str], search: Sequence[str], options: Sequence[str]) -> str:
    """Give a file's text (resolv.conf(5)) with each kind of line replaced for which something was asked.

    A search for ``.`` alone is none.
    """
    asked = {
        "nameserver": [f"nameserver {server}" for server in servers],
        "search": [f"search {' '.join(search)}"] if search and list(search) != ["."] else [],
        "options": [f"options {' '.join(options)}"] if options else [],
    }
    replaced = {name for name, given in zip(asked, (servers, search, options), strict=True) if given}
    if "search" in replaced:
        replaced.add("domain")
    kept = [line for line in text.splitlines() if (line.split() or [""])[0] not in replaced]
    return "".join(f"{line}\n" for line in (*kept, *(line for lines in asked.values() for line in lines)))


def hosts_lines(hosts: Sequence[str], gateway: str) -> str:
    """Give the lines of ``/etc/hosts`` for ``NAME:ADDRESS``; ``gateway`` is the host's address as containers see it."""
    pairs = (text.partition(":") for text in hosts)
    return "".join(f"{gateway if address == GATEWAY else address}\t{name}\n" for name, _, address in pairs)


def _folder(container: Container, plan: Plan) -> str:
    if plan.kind == SHARED:
        return f"{os.path.dirname(container.directory)}/{plan.container}"
    return container.directory


def _gateway(plan: Plan, here: Config) -> str:
    """Give this host's address as the container sees it."""
    if plan.kind == BRIDGES and plan.attachments:
        from runtime.network.networks import Networks  # noqa: PLC0415 - for those who name this host

        return Networks(here.home, here.state).find(plan.attachments[0].network).gateway
    return _LOOPBACK
