"""``preg stats``: show what containers use of this host."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from runtime.cli.options import Option, Usage
from runtime.cli.sizes import show_memory, show_size
from runtime.cli.table import FORMAT, print_records
from runtime.cli.targets import here
from runtime.cli.terminal import unfiltered
from runtime.container import RUNNING, Container
from runtime.containers import Containers
from runtime.leftovers import look
from runtime.stats import Sample, processor_share, sample

_FIELDS: Final = ("Container", "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
_COLUMNS: Final = {
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
#: How long is looked how much of the processors is used.
_SECONDS: Final = 1.0
_HOME_AND_CLEAR: Final = "\033[H\033[J"
USAGE: Final = Usage(
    "stats [OPTION...] [CONTAINER...]",
    "Show what containers (default: those that run) use of this host, again every second until it is interrupted.",
    (
        Option("--all", "Show those that do not run as well", short="-a"),
        Option("--no-stream", "Show it once"),
        Option("--no-trunc", "Print whole IDs"),
        FORMAT._replace(choices=_FIELDS),
    ),
    notes=f"""
Fields: {", ".join(_FIELDS)}.

Example:
  preg stats --no-stream --format Name,CPUPerc,MemUsage
""",
    operands=(0, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    wide, form, once = "--no-trunc" in options, options.last("--format"), "--no-stream" in options
    chosen = [containers.find(word) for word in options.operands]
    before: dict[str, Sample] = {}
    while True:
        shown = chosen or _all(containers, everything="--all" in options)
        if not before:
            before = _measure(containers, shown)
            time.sleep(_SECONDS)
        after = _measure(containers, shown)
        records = list(_records(shown, before, after, wide=wide))
        if not once and sys.stdout.isatty():
            unfiltered(sys.stdout).write(_HOME_AND_CLEAR)
        print_records(records, _FIELDS, _COLUMNS, form)
        sys.stdout.flush()
        if once:
            return 0
        before = after
        time.sleep(_SECONDS)


def _all(containers: Containers, *, everything: bool) -> list[Container]:
    found = []
    for container in containers:
        try:
            if everything or look(containers, container).status == RUNNING:
                found.append((container.describe().created, container))
        except FileNotFoundError:  # removed while we looked
            continue
    return [container for _, container in sorted(found, key=lambda each: each[0], reverse=True)]


def _measure(containers: Containers, shown: list[Container]) -> dict[str, Sample]:
    samples = {}
    for container in shown:
        try:
            state = look(containers, container)
        except FileNotFoundError:
            continue
        samples[container.id] = sample(container.group, state.pid if state.status == RUNNING else 0)
    return samples


def _records(
    shown: list[Container], before: dict[str, Sample], after: dict[str, Sample], *, wide: bool
) -> Iterator[dict[str, str]]:
    for container in shown:
        if container.id in after:
            with suppress(FileNotFoundError):  # removed while we looked
                yield _show(container, before.get(container.id, Sample()), after[container.id], wide=wide)


def _show(container: Container, before: Sample, after: Sample, *, wide: bool) -> dict[str, str]:
    identifier = container.id if wide else container.short_id
    share = after.memory / after.limit * 100 if after.limit else 0.0
    return {
        "Container": identifier,
        "ID": identifier,
        "Name": container.describe().name,
        "CPUPerc": f"{processor_share(before, after) if before.system else 0.0:.2f}%",
        "MemUsage": f"{show_memory(after.memory)} / {show_memory(after.limit)}",
        "MemPerc": f"{share:.2f}%",
        "NetIO": f"{show_size(after.received)} / {show_size(after.sent)}",
        "BlockIO": f"{show_size(after.read)} / {show_size(after.written)}",
        "PIDs": str(after.processes),
    }
