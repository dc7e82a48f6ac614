"""What the commands that look after a registry's users and keys have in common."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from auth.errors import AuthError, AuthMisconfigured
from registry import config
from storage.errors import StorageError
from storage.plugins import open_driver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from registry.state import StoredState
    from storage.guard import Guard


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    work: "Callable[[config.Config, argparse.Namespace], int]",
    summary: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Add a command that works with the settings of the server; ``work`` gives the exit status."""
    parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=epilog)
    parser.add_argument("--config", metavar="FILE", type=Path, help="the settings that 'preg serve' has")
    parser.set_defaults(work=work)
    return parser


def run(parser: argparse.ArgumentParser, arguments: list[str], *, fault: int = 1) -> int:
    """Run the command that the arguments name, and say with which code to exit: ``fault`` if it cannot be done."""
    options = parser.parse_args(arguments)
    try:
        work: Callable[[config.Config, argparse.Namespace], int] = options.work
        return work(config.load(options.config, os.environ, {}), options)
    except (config.ConfigError, AuthError, StorageError) as error:
        note(f"{parser.prog}: {error}")
        return fault


def note(text: str) -> None:
    """Tell the user something that is no result."""
    sys.stderr.write(f"{text}\n")


def print_table(rows: "Iterable[tuple[str, ...]]") -> None:
    """Print rows in columns, the first row being their titles."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")


@contextlib.asynccontextmanager
async def opened_state(settings: config.Config) -> "AsyncIterator[StoredState]":
    """Open what authentication keeps in the storage of the settings. Raises AuthMisconfigured and StorageError."""
    from registry.state import open_state  # noqa: PLC0415 - brings drivers along, which the help does not need

    store = open_driver(settings.storage.url)
    try:
        _check_owner(store)
        state = open_state(store)
        try:
            yield state
        finally:
            await state.aclose()
    finally:
        await store.aclose()


def _check_owner(store: "Guard") -> None:
    """Stop who would leave files that the server cannot read."""
    folder = store.local_path("preg")
    if folder is None:
        return
    owner = folder.parent.stat().st_uid
    if owner != os.geteuid():
        raise AuthMisconfigured(
            f"{folder.parent} belongs to the user number {owner}, who alone is to read what is kept there:"
            " run this command as that user"
        )
