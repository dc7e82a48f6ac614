"""The networks there are, each a record.

``networks/NAME.json`` below the home directory holds a network that somebody has made. Docker's default network,
``bridge``, is there as soon as it is asked for; it belongs to the host, so its record is below the state directory.
Whoever makes or removes a network, or chooses a subnet, holds a lock on ``networks`` below the state directory.
"""

import os

from runtime.errors import Fault, NotFound
from runtime.events import record
from runtime.lean import NamedTuple, contextmanager, suppress
from runtime.lock import lock, make_private
from runtime.network.addresses import Subnet, read_address, read_subnet
from runtime.network.plan import DEFAULT
from runtime.record import read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Final

#: What stands for no network of ours; their IDs only have to be always the same.
PREDEFINED: "Final" = {"host": "4057" * 16, "none": "0e0e" * 16}
_NAME_CHARACTERS: "Final" = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


class BridgeOptions(NamedTuple):
    """How a network's bridge is to be."""

    name: str = ""
    """Its interface; empty for one of our own."""
    icc: bool = True
    """Containers reach each other."""
    masquerade: bool = True
    """Others see this host's address, not the containers'."""
    host_address: str = ""
    """Where ports are published that name no address; empty for all there are."""
    mtu: int = 0
    """The largest packet; 0 for the kernel's default."""


class Network(NamedTuple):
    """A network as somebody wanted it, or we chose it."""

    id: str
    name: str
    created: float
    interface: str
    """The bridge."""
    subnet: str
    gateway: str
    ip_range: str
    """Where containers get their addresses from."""
    internal: bool
    chosen: bool
    """Nobody insists on the subnet."""
    labels: dict[str, str]
    options: dict[str, str] = {}  # noqa: RUF012 - never changed
    """What was asked of the bridge, in Docker's names."""
    reserved: dict[str, str] = {}  # noqa: RUF012 - never changed
    """Addresses that no container gets, by what they are for."""
    attachable: bool = False
    """What Docker notes of networks of many hosts; it changes nothing here."""

    @property
    def table(self) -> str:
        """The table of nftables."""
        return f"preg-{self.id[:8]}"

    @property
    def bridge(self) -> BridgeOptions:
        """How its bridge is to be."""
        if not self.options:
            return BridgeOptions()
        from runtime.network.driver_options import read_options  # noqa: PLC0415 - few networks have any

        return read_options(self.options)

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

    @property
    def kept(self) -> list[int]:
        """Addresses that are no container's."""
        return [self.own_address, *(read_address(address, "--aux-address") for address in self.reserved.values())]


class Networks:
    """The networks of a home directory; ``state`` is what a reboot may forget."""

    def __init__(self, home: str, state: str) -> None:
        self.home = home
        self.state = state
        self._records = f"{home}/networks"
        self._running = f"{state}/networks"
        self._default = f"{state}/networks/{DEFAULT}.json"

    def __iter__(self) -> "Iterator[Network]":
        """Give every network but the predefined ones, the default first."""
        with suppress(FileNotFoundError):
            yield read_record(Network, self._default)
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._records)):
                if name.endswith(".json"):
                    with suppress(FileNotFoundError):
                        yield read_record(Network, f"{self._records}/{name}")

    def find(self, text: str) -> Network:
        """Find a network by its name, its ID, or the first characters of its ID. Raises NotFound, and Fault."""
        if text == DEFAULT:
            return self.default()
        if text in PREDEFINED:
            raise Fault(
                f"no container is put into the network {text!r} or taken out of it: it is for those that are made with"
                f" --network {text}"
            )
        if is_name(text):
            with suppress(FileNotFoundError):
                return read_record(Network, self._file(text))
        found = [network for network in self if text and network.id.startswith(text)]
        if not found:
            raise NotFound(f"there is no network {text!r}: 'preg network ls' lists those there are")
        if len(found) > 1:
            raise Fault(f"{text!r} begins the IDs of {len(found)} networks: write more of the one you mean")
        return found[0]

    def default(self) -> Network:
        """Give Docker's default network."""
        with suppress(FileNotFoundError):
            return read_record(Network, self._default)
        with self.changing():
            with suppress(FileNotFoundError):
                return read_record(Network, self._default)
            from runtime.network.definition import Wanted, define  # noqa: PLC0415 - networks are made once

            network = define(self, Wanted(DEFAULT, {}))
            self.write(network)
            return network

    def has(self, name: str) -> bool:
        """Tell whether somebody has made a network of this name."""
        return os.path.exists(self._file(name))

    def write(self, network: Network) -> None:
        """Write a network's record."""
        if network.name == DEFAULT:
            write_record(self._default, network, durable=False)
        else:
            make_private(self._records)
            write_record(self._file(network.name), network, durable=True)

    def forget(self, network: Network) -> None:
        """Remove a network's record."""
        with suppress(FileNotFoundError):
            os.unlink(self._file(network.name))

    def note(self, network: Network, action: str) -> None:
        """Write down what happens to a network."""
        record(self.home, action, network.id, {"name": network.name, "type": "bridge"}, kind="network")

    def changing(self) -> "AbstractContextManager[None]":
        """Have everybody else wait who makes or removes a network."""
        return _alone_in(self._running)

    def changing_plans(self) -> "AbstractContextManager[None]":
        """Have everybody else wait who puts containers into networks, or takes them out."""
        return _alone_in(self._records)

    def subnets(self, but: str = "") -> list[Subnet]:
        """Give the subnets that this host knows of, except for a network's own."""
        return [network.range for network in self if network.id != but]

    def _file(self, name: str) -> str:
        return f"{self._records}/{name}.json"


@contextmanager
def _alone_in(directory: str) -> "Iterator[None]":
    make_private(directory)
    held = lock(directory, wait=True)
    if held is None:
        raise Fault(f"{directory} was removed just now")
    try:
        yield
    finally:
        os.close(held)


def is_name(text: str) -> bool:
    """Tell whether a network may be called so."""
    return 0 < len(text) < 128 and set(text) <= _NAME_CHARACTERS and text[0].isalnum()
