"""Removing whatever nobody uses: the person at the terminal is asked before, and told what it was and what it took."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from runtime.cli.filters import fits_labels, passes, read_filters
from runtime.cli.options import Option, Options
from runtime.cli.sizes import show_size
from runtime.cli.times import read_time

FORCE: Final = Option("--force", "Do not ask", short="-f")
_KEYS: Final = ("until", "label", "label!")
FILTER: Final = Option(
    "--filter", "Only those made before (until=10m, until=2026-01-31), or with a label", "KEY=VALUE", "", _KEYS
)

#: Tells by when it was made, in seconds since the epoch, and by its labels whether something is to be removed.
AskedFor = Callable[[float, Mapping[str, str]], bool]


class Pruned(NamedTuple):
    """What was removed of a kind, and how many bytes it took."""

    kind: str
    removed: Sequence[str]
    freed: int = 0


def read_asked_for(options: Options, keys: tuple[str, ...] = _KEYS) -> AskedFor:
    """Read the filters by age and labels. Raises UsageError."""
    filters = read_filters(options, keys)
    times = {value: read_time(value, "--filter until=") for key, value in filters if key == "until"}

    def is_asked_for(created: float, labels: Mapping[str, str]) -> bool:
        def holds(key: str, value: str) -> bool:
            return created * 1e9 <= times[value] if key == "until" else fits_labels(labels, key, value)

        return passes(filters, holds)

    return is_asked_for


def agreed(options: Options, what: str) -> bool:
    """Say what will be removed, and ask whether it may, unless ``--force`` has said so."""
    if FORCE.name in options:
        return True
    sys.stderr.write(f"This removes {what}. Are you sure? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def report(*pruned: Pruned) -> None:
    """Say what was removed, and how many bytes it took."""
    list_removed(*pruned)
    sys.stdout.write(f"Total reclaimed space: {show_size(sum(each.freed for each in pruned))}\n")


def list_removed(*pruned: Pruned) -> None:
    """Say what was removed."""
    for kind, removed, _ in pruned:
        if removed:
            sys.stdout.writelines(f"{line}\n" for line in (f"Deleted {kind}:", *removed, ""))
