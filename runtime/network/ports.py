"""Published ports: how they are written and shown."""

from runtime.errors import UsageError
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

PROTOCOLS: "Final" = ("tcp", "udp")
#: Where ports are published that name no address.
ANY: "Final" = "0.0.0.0"  # noqa: S104 - Docker's default


class Publish(NamedTuple):
    """A port of a container that the host's ports ``first`` to ``last`` are for; 0 is any that is free.

    Without an address it is published where the network says, which is everywhere by default.
    """

    address: str
    first: int
    last: int
    port: int
    protocol: str


class Port(NamedTuple):
    """A port of the host that leads to one of a container."""

    address: str
    host_port: int
    port: int
    protocol: str

    @property
    def inside(self) -> str:
        """The container's end."""
        return f"{self.port}/{self.protocol}"

    @property
    def outside(self) -> str:
        """The host's end."""
        return f"{self.address}:{self.host_port}"

    @property
    def words(self) -> list[str]:
        """As an endpoint keeps it."""
        return [self.address, str(self.host_port), str(self.port), self.protocol]


def read_publish(text: str) -> list[Publish]:
    """Read ``[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]``, where HOST and CONTAINER may be ranges. Raises UsageError."""
    what = f"-p {text!r}"
    rest, _, protocol = text.partition("/")
    if rest.startswith("["):
        raise UsageError(f"{what}: containers have IPv4 addresses only, so a port cannot be published on an IPv6 one")
    parts = rest.split(":")
    if len(parts) > 3:
        raise UsageError(f"{what}: it is [[ADDRESS:]HOST:]CONTAINER[/tcp|udp]")
    address, host, container = ["", "", *parts][-3:]
    host = "" if host == "0" else host  # any free one, as for the kernel
    first, last = _read_range(container, what)
    if address:
        from runtime.network.addresses import read_address, show  # noqa: PLC0415 - most name none

        address = show(read_address(address, f"{what}: the address"))
    of_host = _read_range(host, what) if host else (0, 0)
    kind = _read_protocol(protocol or "tcp", what)
    ports = range(first, last + 1)
    if not host or (len(ports) == 1 and of_host[1] > of_host[0]):
        return [Publish(address, *of_host, port, kind) for port in ports]
    if of_host[1] - of_host[0] != last - first:
        raise UsageError(f"{what}: the ranges of the host and of the container are not of one length")
    offset = of_host[0] - first
    return [Publish(address, port + offset, port + offset, port, kind) for port in ports]


def read_exposed(text: str, what: str) -> list[str]:
    """Read ``PORT[-PORT][/PROTOCOL]`` as ``PORT/PROTOCOL`` each. Raises UsageError."""
    ports, _, protocol = text.partition("/")
    first, last = _read_range(ports, what)
    kind = _read_protocol(protocol or "tcp", what)
    return [f"{port}/{kind}" for port in range(first, last + 1)]


def _read_range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    low, high = _read_port(first, what), _read_port(last if dash else first, what)
    if high < low:
        raise UsageError(f"{what}: a range begins with its lowest port")
    return low, high


def _read_port(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):
        raise UsageError(f"{what}: {text!r} is no port, which is a number up to 65535")
    return int(text)


def _read_protocol(text: str, what: str) -> str:
    if text.lower() not in PROTOCOLS:
        raise UsageError(f"{what}: the protocol is {' or '.join(PROTOCOLS)}")
    return text.lower()


def show_ports(published: "Iterable[Port]", exposed: "Iterable[str]") -> str:
    """Write the ports of a container as ``docker ps`` does, which joins neighbours."""
    published = list(published)
    covered = {port.inside for port in published}
    single = [p for p in published if p.host_port != p.port]
    rows = [(p.protocol, f"{p.address}:", p.port) for p in published if p.host_port == p.port]
    for text in exposed:
        number, _, protocol = text.partition("/")
        if text not in covered:
            rows.append((protocol, "", int(number)))
    shown = [_show_group(group) for group in _groups(sorted(rows))]
    shown += [f"{p.outside}->{p.inside}" for p in sorted(single, key=lambda p: p.port)]
    return ", ".join(shown)


def _groups(rows: list[tuple[str, str, int]]) -> list[list[tuple[str, str, int]]]:
    groups: list[list[tuple[str, str, int]]] = []
    for row in rows:
        if groups and row == (*groups[-1][-1][:2], groups[-1][-1][2] + 1):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _show_group(group: list[tuple[str, str, int]]) -> str:
    protocol, address, first = group[0]
    ports = f"{first}" if len(group) == 1 else f"{first}-{group[-1][2]}"
    return f"{address}{ports}->{ports}/{protocol}" if address else f"{ports}/{protocol}"
