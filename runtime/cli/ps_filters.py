"""``preg ps --filter``: which containers are listed."""

from __future__ import annotations

from runtime.cli.filters import fits_name, passes
from runtime.cli.labels import has_label
from runtime.cli.ps import networks_of
from runtime.container import EXITED
from runtime.errors import Fault, UsageError
from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.cli.ps import Row
    from runtime.containers import Containers

    Check = Callable[[Row], bool]


def choose(rows: Iterable[Row], filters: list[tuple[str, str]], containers: Containers) -> list[Row]:
    """Leave out what the filters do not ask for. Raises Fault, and UsageError for a value that cannot be understood."""
    checks = {(key, value): _CHECKS[key](value, containers) for key, value in filters}

    def fits(row: Row) -> bool:
        return passes(filters, lambda key, value: checks[key, value](row))

    return [row for row in rows if fits(row)]


def _check_id(value: str, _: Containers) -> Check:
    # A script whose variable is unset must not get, and then remove, all there are.
    return lambda row: bool(value) and row.container.id.startswith(value)


def _check_name(value: str, _: Containers) -> Check:
    return lambda row: any(fits_name(name, value) for name in (row.description.name, f"/{row.description.name}"))


def _check_ancestor(value: str, containers: Containers) -> Check:
    """Ask for the containers of an image, which may be named as on any command line, also if it is gone."""
    from runtime.images import Images  # noqa: PLC0415 - for this filter

    images, wanted = Images(containers.home), {value}
    with suppress(Fault):  # it cannot be an image's name, or begins several IDs: then it is no container's image
        record = images.find_by_name(value) or images.find_by_id(value)
        if record is not None:
            wanted.add(str(record.image))
    return lambda row: bool({row.description.image, row.description.image_id} & wanted)


def _check_order(value: str, containers: Containers, *, later: bool) -> Check:
    created = containers.find(value).describe().created
    return lambda row: row.description.created > created if later else row.description.created < created


def _check_volume(value: str, _: Containers) -> Check:
    """Ask for those that have a volume, or mount something of this host, by name, source or target."""
    return lambda row: any(
        value in (mount.get("source"), mount["target"]) for mount in row.description.wishes.get("mounts", ())
    )


def _check_port(value: str, *, published: bool) -> Check:
    """Ask for those that publish a port of this host, or have one themselves: PORT, or FIRST-LAST, perhaps of udp."""
    ports, _, protocol = value.partition("/")
    first, _, last = ports.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and (protocol or "tcp") in ("tcp", "udp", "sctp")):
        raise UsageError(f"{value!r} is no port to filter by, which is PORT or FIRST-LAST, perhaps with /tcp or /udp")
    wanted = range(int(first), int(last or first) + 1)

    def check(row: Row) -> bool:
        ends = [port for endpoint in row.endpoints for port in endpoint.published]
        found = {(port.host_port if published else port.port, port.protocol) for port in ends}
        if not published:
            inside = [port.partition("/") for endpoint in row.endpoints for port in endpoint.exposed]
            found |= {(int(number), kind) for number, _, kind in inside}
        return any(number in wanted and kind == (protocol or "tcp") for number, kind in found)

    return check


def _check_network(value: str, _: Containers) -> Check:
    return lambda row: any(value in network for network in networks_of(row))


_CHECKS: dict[str, Callable[[str, Containers], Check]] = {
    "id": _check_id,
    "name": _check_name,
    "label": lambda value, _: lambda row: has_label(row.description.labels, value),
    "status": lambda value, _: lambda row: row.status == value,
    "exited": lambda value, _: lambda row: row.state.status == EXITED and row.state.exit_code == int(value),
    "ancestor": _check_ancestor,
    "before": lambda value, containers: _check_order(value, containers, later=False),
    "since": lambda value, containers: _check_order(value, containers, later=True),
    "network": _check_network,
    "volume": _check_volume,
    "publish": lambda value, _: _check_port(value, published=True),
    "expose": lambda value, _: _check_port(value, published=False),
    "health": lambda value, _: lambda row: bool(value == (row.state.health or {"Status": "none"})["Status"]),
}
