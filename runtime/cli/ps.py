"""``preg ps``: list containers."""

from __future__ import annotations

import sys
import time

from runtime import cgroup
from runtime.cli.labels import show_labels
from runtime.cli.options import Option, Usage
from runtime.cli.table import FORMAT, print_records, wants
from runtime.cli.targets import here
from runtime.container import CREATED, EXITED, RESTARTING, RUNNING
from runtime.errors import Damaged, UsageError
from runtime.lean import NamedTuple, to_json
from runtime.leftovers import look, remove_unfinished
from runtime.network.endpoints import endpoints_by_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from runtime.cli.options import Options
    from runtime.container import Container, Description, State
    from runtime.containers import Containers
    from runtime.network.endpoints import Endpoint

_FIELDS: Final = (
    "ID",
    "Image",
    "Command",
    "CreatedAt",
    "RunningFor",
    "Status",
    "State",
    "Ports",
    "Names",
    "Labels",
    "Networks",
    "Mounts",
    "LocalVolumes",
    "Size",
    "Platform",
)
_COLUMNS: Final = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
}
_SIZE_COLUMN: Final = {"Size": "SIZE"}
_STATES: Final = ("created", "running", "paused", "restarting", "exited")
_KEYS: Final = (
    *("id", "name", "label", "status", "exited", "ancestor", "before", "since", "network", "volume", "publish"),
    *("expose", "health"),
)
_HEALTH: Final = ("starting", "healthy", "unhealthy", "none")
USAGE: Final = Usage(
    "ps [OPTION...]",
    "List the containers that run.",
    (
        Option("--all", "List those that do not run as well", short="-a"),
        Option("--quiet", "Print IDs alone", short="-q"),
        Option("--last", "List the last N that were made, whatever their state", "N", "-n"),
        Option("--latest", "List the last that was made", short="-l"),
        Option("--no-trunc", "Print whole IDs and commands"),
        Option("--size", "Show what they have written, and what is in their roots with that", short="-s"),
        Option("--filter", f"List those that have {', '.join(_KEYS)} so", "KEY=VALUE", "-f", _KEYS),
        FORMAT._replace(choices=_FIELDS),
    ),
    notes=f"""
Fields: {", ".join(_FIELDS)}.

Examples:
  preg ps -a --filter status=exited
  preg ps --format 'table {{.Names}}\\t{{.Status}}'
""",
)


class Row(NamedTuple):
    """A container as it is now."""

    container: Container
    description: Description
    state: State
    paused: bool
    endpoints: Sequence[Endpoint]

    @property
    def status(self) -> str:
        """Its state in a word."""
        return "paused" if self.paused else self.state.status


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    filters = _read_filters(options)
    last = 1 if "--latest" in options else _read_number(options.last("--last"))
    wide, form = "--no-trunc" in options, options.last("--format")
    containers = here()
    remove_unfinished(containers)
    everything = "--all" in options or last is not None or any(key == "status" for key, _ in filters)
    found, damaged = list_rows(containers)
    rows = sorted(found, key=lambda row: row.description.created, reverse=True)
    if filters:
        from runtime.cli.ps_filters import choose  # noqa: PLC0415 - for those who filter

        rows = choose(rows, filters, containers)
    rows = [row for row in rows if everything or row.state.alive][:last]
    if "--quiet" in options:
        sys.stdout.writelines(f"{row.container.id if wide else row.container.short_id}\n" for row in rows)
    else:
        sized = "--size" in options or "Size" in (form or "")
        networks = wants(form, "Networks")
        shown = [show(row, wide=wide, networks=networks, sized=sized) for row in rows]
        print_records(shown, _FIELDS, _COLUMNS | _SIZE_COLUMN if "--size" in options else _COLUMNS, form)
    sys.stderr.writelines(f"preg: {damage}\n" for damage in damaged)
    return 1 if damaged else 0


def show_status(state: State, *, paused: bool) -> str:
    """Say how a container fares, in Docker's words."""
    from runtime.cli.times import show_duration  # noqa: PLC0415 - not needed to list nothing

    if state.status == CREATED:
        return "Created"
    since = show_duration(time.time() - (state.started if state.status == RUNNING else state.finished))
    if state.status == EXITED:
        return f"Exited ({state.exit_code}) {since} ago"
    if state.status == RESTARTING:
        return f"Restarting ({state.exit_code}) {since} ago"
    if paused:
        return f"Up {since} (Paused)"
    if state.health is None:
        return f"Up {since}"
    status = state.health["Status"]
    return f"Up {since} ({'health: starting' if status == 'starting' else status})"


def list_rows(containers: Containers) -> tuple[list[Row], list[Damaged]]:
    """Look at each container: one that is damaged does not hide the others."""
    endpoints = endpoints_by_container(containers.state)
    rows, damaged = list[Row](), list[Damaged]()
    for container in containers:
        try:
            state = look(containers, container)
            paused = state.alive and cgroup.is_frozen(container.group)
            rows.append(Row(container, container.describe(), state, paused, endpoints.get(container.id, ())))
        except FileNotFoundError:  # removed while we looked
            continue
        except Damaged as damage:
            damaged.append(damage)
    return rows, damaged


def show(row: Row, *, wide: bool, networks: bool, sized: bool = False) -> dict[str, Any]:
    """Write each field; networks and size, for which more files are read, only if they are wanted."""
    from runtime.cli.times import show_duration, show_listed_time  # noqa: PLC0415

    program, *arguments = row.description.arguments
    command = " ".join([program, *(f"'{word}'" if " " in word else word for word in arguments)])
    command = _shorten(command, 0 if wide else 20)
    return {
        "ID": row.container.id if wide else row.container.short_id,
        "Image": row.description.image,
        "Command": to_json(command, as_is=True),
        "CreatedAt": show_listed_time(row.description.created),
        "RunningFor": f"{show_duration(time.time() - row.description.created)} ago",
        "Status": show_status(row.state, paused=row.paused),
        "State": row.status,
        "Ports": _show_ports(row),
        "Names": row.description.name,
        "Labels": show_labels(row.description.labels),
        "Label": row.description.labels,
        "Networks": ",".join(name for name, _ in networks_of(row)) if networks else "",
        "Mounts": ",".join(_shorten(mount, 0 if wide else 15) for mount in _mounts_of(row)),
        "LocalVolumes": str(sum(mount["kind"] == "volume" for mount in row.description.wishes.get("mounts", ()))),
        "Size": _show_size(row.container) if sized else "0B",
        "Platform": None,
    }


def _show_size(container: Container) -> str:
    from runtime.cli.inspect_container import describe_sizes  # noqa: PLC0415 - for those who want to know
    from runtime.cli.sizes import show_size  # noqa: PLC0415

    sizes = describe_sizes(container)
    return f"{show_size(sizes['SizeRw'])} (virtual {show_size(sizes['SizeRootFs'])})"


def _mounts_of(row: Row) -> list[str]:
    """Give the names of volumes, and the paths of this host."""
    return [mount["source"] for mount in row.description.wishes.get("mounts", ()) if mount["kind"] != "tmpfs"]


def _shorten(text: str, width: int) -> str:
    return f"{text[: width - 1]}…" if 0 < width < len(text) else text


def networks_of(row: Row) -> list[tuple[str, str]]:
    """Give the name and the ID of each network that it is in, or that it will be in."""
    from runtime.cli import network_settings  # noqa: PLC0415 - for those who want to know
    from runtime.cli.targets import networks  # noqa: PLC0415
    from runtime.network.plan import read_plan  # noqa: PLC0415

    return network_settings.networks_of(networks(), read_plan(row.container.directory), row.endpoints)


def _show_ports(row: Row) -> str:
    if not row.endpoints:
        return ""
    from runtime.network.ports import show_ports  # noqa: PLC0415 - many have none

    published = [port for endpoint in row.endpoints for port in endpoint.published]
    return show_ports(published, [port for endpoint in row.endpoints for port in endpoint.exposed])


def _read_filters(options: Options) -> list[tuple[str, str]]:
    filters = options.pairs("--filter", _KEYS)
    for key, value in filters:
        if key == "health" and value not in _HEALTH:
            raise UsageError(f"--filter {key}={value}: a health is {', '.join(_HEALTH)}")
        if key == "status" and value not in _STATES:
            raise UsageError(f"--filter {key}={value}: a status is {', '.join(_STATES)}")
        if key == "exited" and not value.isdecimal():
            raise UsageError(f"--filter {key}={value}: an exit status is a number")
    return filters


def _read_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise UsageError(f"--last {text}: it is a number of containers")
    return int(text)
