"""Removing whatever nobody uses: the person at the terminal is asked before, and told what it was and what it took."""

import sys
from collections.abc import Sequence
from typing import Final

from runtime.cli.options import Option, Options
from runtime.cli.sizes import show_size

FORCE: Final = Option("--force", "Do not ask", short="-f")


def agreed(options: Options, what: str) -> bool:
    """Say what will be removed, and ask whether it may, unless ``--force`` has said so."""
    if FORCE.name in options:
        return True
    sys.stderr.write(f"This removes {what}. Are you sure? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def report(kind: str, removed: Sequence[str], freed: int) -> None:
    """Say what was removed, and how many bytes it took."""
    if removed:
        sys.stdout.writelines(f"{line}\n" for line in (f"Deleted {kind}:", *removed, ""))
    sys.stdout.write(f"Total reclaimed space: {show_size(freed)}\n")
