"""The networks there are, each a record.

``networks/NAME.json`` below the home directory holds a network that somebody has made. Docker's default network,
``bridge``, is there as soon as it is asked for; it belongs to the host, so its record is below the state directory.
Whoever makes or removes a network, or chooses a subnet, holds a lock on ``networks`` below the state directory.
"""

import os
import time

from runtime.errors import Fault, UsageError
from runtime.lean import NamedTuple, contextmanager, suppress
from runtime.lock import lock
from runtime.network.addresses import Subnet, choose_subnet, read_address, read_subnet, show
from runtime.record import read_record, write_record
from runtime.rootless import privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

#: The network of a container for which none was named.
DEFAULT: "Final" = "bridge"
#: What stands for no network of ours; their IDs only have to be always the same.
PREDEFINED: "Final" = {"host": "4057" * 16, "none": "0e0e" * 16}
#: What those hear who are not root.
ROOTS_OWN: "Final" = (
    "networks of 'preg network create' take root: without it a container has a network of its own, none, or the host's"
)
_NAME_CHARACTERS: "Final" = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


class Network(NamedTuple):
    """A network as somebody wanted it, or we chose it."""

    id: str
    name: str
    created: float
    interface: str
    """The bridge, and the table of nftables."""
    subnet: str
    gateway: str
    ip_range: str
    """Where containers get their addresses from."""
    internal: bool
    chosen: bool
    """Nobody insists on the subnet."""
    labels: dict[str, str]

    @property
    def range(self) -> Subnet:
        """All of its addresses."""
        return read_subnet(self.subnet, "the network's subnet")

    @property
    def pool(self) -> Subnet:
        """Those that containers get unless they ask for another."""
        return read_subnet(self.ip_range, "the network's range")

    @property
    def own_address(self) -> int:
        """That of this host in it."""
        return read_address(self.gateway, "the network's gateway")


class Wanted(NamedTuple):
    """What is asked of a new network; empty leaves it to us."""

    name: str
    labels: dict[str, str]
    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    internal: bool = False


class Networks:
    """The networks of a home directory; ``state`` is what a reboot may forget."""

    def __init__(self, home: str, state: str) -> None:
        self.home = home
        self.state = state
        self._records = f"{home}/networks"
        self._running = f"{state}/networks"

    def __iter__(self) -> "Iterator[Network]":
        """Give every network but the predefined ones, the default first."""
        with suppress(FileNotFoundError):
            yield read_record(Network, f"{self._running}/{DEFAULT}.json")
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._records)):
                if name.endswith(".json"):
                    with suppress(FileNotFoundError):
                        yield read_record(Network, f"{self._records}/{name}")

    def find(self, text: str) -> Network:
        """Find a network by its name, its ID, or the first characters of its ID. Raises Fault."""
        if text == DEFAULT:
            return self.default()
        if _is_name(text):
            with suppress(FileNotFoundError):
                return read_record(Network, self._file(text))
        found = [network for network in self if text and network.id.startswith(text)]
        if not found:
            raise Fault(f"there is no network {text!r}: 'preg network ls' lists those there are")
        if len(found) > 1:
            raise Fault(f"{text!r} begins the IDs of {len(found)} networks: write more of the one you mean")
        return found[0]

    def default(self) -> Network:
        """Give Docker's default network."""
        path = f"{self._running}/{DEFAULT}.json"
        with suppress(FileNotFoundError):
            return read_record(Network, path)
        with self.changing():
            with suppress(FileNotFoundError):
                return read_record(Network, path)
            network = self._plan(Wanted(DEFAULT, {}))
            write_record(path, network, durable=False)
            return network

    def make(self, wanted: Wanted) -> Network:
        """Make a network. Raises Fault if its name or its subnet is taken, UsageError if it makes no sense."""
        if not privileges().of_host:
            raise Fault(ROOTS_OWN)
        if not _is_name(wanted.name):
            raise UsageError(
                f"{wanted.name!r} cannot be a network's name: letters and digits, behind the first also . _ -"
            )
        with self.changing():
            if wanted.name in (DEFAULT, *PREDEFINED) or os.path.exists(self._file(wanted.name)):
                raise Fault(f"the network {wanted.name!r} is there already: remove it, or take another name")
            network = self._plan(wanted)
            os.makedirs(self._records, mode=0o700, exist_ok=True)
            write_record(self._file(wanted.name), network, durable=True)
            return network

    def move(self, network: Network, taken: list[Subnet]) -> Network:
        """Give a network whose subnet somebody else uses now another, while nobody else chooses one. Raises Fault."""
        if not network.chosen:
            raise Fault(
                f"the subnet {network.subnet} of the network {network.name!r} is in use on this host: remove"
                " the network, or what uses its addresses ('ip route')"
            )
        subnet, gateway, ip_range = _addresses(choose_subnet(taken), network.name, "", "")
        moved = network._replace(subnet=subnet, gateway=gateway, ip_range=ip_range)
        path = f"{self._running}/{DEFAULT}.json" if network.name == DEFAULT else self._file(network.name)
        write_record(path, moved, durable=network.name != DEFAULT)
        return moved

    def forget(self, network: Network) -> None:
        """Remove a network's record."""
        with suppress(FileNotFoundError):
            os.unlink(self._file(network.name))

    @contextmanager
    def changing(self) -> "Iterator[None]":
        """Have everybody else wait who makes or removes a network."""
        os.makedirs(self._running, mode=0o700, exist_ok=True)
        held = lock(self._running, wait=True)
        if held is None:
            raise Fault(f"{self._running} was removed just now")
        try:
            yield
        finally:
            os.close(held)

    @contextmanager
    def changing_plans(self) -> "Iterator[None]":
        """Have everybody else wait who puts containers into networks, or takes them out."""
        os.makedirs(self._records, mode=0o700, exist_ok=True)
        held = lock(self._records, wait=True)
        if held is None:
            raise Fault(f"{self._records} was removed just now")
        try:
            yield
        finally:
            os.close(held)

    def subnets(self, but: str = "") -> list[Subnet]:
        """Give the subnets that this host knows of, except for a network's own."""
        return [network.range for network in self if network.id != but]

    def _plan(self, wanted: Wanted) -> Network:
        from runtime.network.rtnetlink import Links  # noqa: PLC0415 - networks are made once and listed often

        links = Links()
        routes = [Subnet(route.destination, route.prefix) for route in links.routes()]
        taken = [*self.subnets(), *routes]
        if wanted.subnet:
            subnet = read_subnet(wanted.subnet, "--subnet")
            _check_free(subnet, self, routes)
        elif wanted.gateway or wanted.ip_range:
            raise UsageError("--gateway and --ip-range are in a subnet: give that by --subnet")
        else:
            subnet = choose_subnet(taken)
        identifier = os.urandom(32).hex()
        links.close()
        _, gateway, ip_range = _addresses(subnet, wanted.name, wanted.gateway, wanted.ip_range)
        return Network(
            id=identifier,
            name=wanted.name,
            created=time.time(),
            interface=f"preg-{identifier[:8]}",
            internal=wanted.internal,
            chosen=not wanted.subnet,
            labels=wanted.labels,
            subnet=str(subnet),
            gateway=gateway,
            ip_range=ip_range,
        )

    def _file(self, name: str) -> str:
        return f"{self._records}/{name}.json"


def _addresses(subnet: Subnet, name: str, gateway: str, ip_range: str) -> tuple[str, str, str]:
    if subnet.prefix > 30:
        raise UsageError(f"--subnet {subnet}: it is too small for a network, which takes four addresses at least")
    pool = read_subnet(ip_range, "--ip-range") if ip_range else subnet
    own = read_address(gateway, "--gateway") if gateway else subnet.network + 1
    if own not in subnet or own in (subnet.network, subnet.last):
        raise UsageError(f"--gateway {gateway}: it is no address of a host in {subnet}")
    if pool.network not in subnet or pool.last not in subnet:
        raise UsageError(f"--ip-range {ip_range}: it is not within {subnet}, the subnet of {name!r}")
    return str(subnet), show(own), str(pool)


def _check_free(subnet: Subnet, networks: Networks, routes: list[Subnet]) -> None:
    for network in networks:
        if network.range.overlaps(subnet):
            raise Fault(f"--subnet {subnet} overlaps {network.subnet} of the network {network.name!r}: take another")
    for route in routes:
        # A route that is wider is how the host reaches others; a part of that may well be here.
        if route.overlaps(subnet) and route.prefix >= subnet.prefix:
            raise Fault(f"--subnet {subnet} overlaps {route}, which this host has a route to: take another")


def _is_name(text: str) -> bool:
    return 0 < len(text) < 128 and set(text) <= _NAME_CHARACTERS and text[0].isalnum()
