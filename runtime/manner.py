"""How a command is attached to what runs, as it is read from the command line before that."""

from __future__ import annotations

import os

from runtime import frames as f
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

STREAMS: Final = (f.STDOUT, f.STDERR)


class Manner(NamedTuple):
    """How a command is attached."""

    keys: bytes = b"\x10\x11"
    """By which a terminal is left: ctrl-p ctrl-q."""
    proxy: bool = True
    """Signals are passed on; else they end the command alone."""
    shown: frozenset[int] = frozenset(STREAMS)
    """What it shows, by the kinds of streams."""


class Pipes(NamedTuple):
    """The pipes by which the streams of a process come to this command, and go."""

    streams: list[list[int]]
    """For each that its supervisor is sent, the kinds of streams it is for."""
    theirs: list[int]
    """The supervisor's ends, in the same order."""
    stdin: int | None
    """Where this command writes what is typed."""
    shown: list[tuple[int, int]]
    """Where it reads what is printed, and to which of its own files that goes."""

    def close_theirs(self) -> None:
        """Close what the supervisor has by now."""
        while self.theirs:
            os.close(self.theirs.pop())


NO_PIPES: Final = Pipes([], [], None, [])


def open_pipes(*, stdin: bool, shown: frozenset[int]) -> Pipes:
    """Make a pipe for each stream.

    Where both outputs go to the same file there is one for both, which keeps what was printed in order.
    """
    pipes = Pipes([], [], None, [])
    if stdin:
        theirs, ours = os.pipe()
        pipes = pipes._replace(streams=[[f.STDIN]], theirs=[theirs], stdin=ours)
    kinds: list[list[int]] = [[kind] for kind in STREAMS if kind in shown]
    if len(kinds) > 1 and os.path.samestat(os.fstat(1), os.fstat(2)):
        kinds = [list(STREAMS)]
    for each in kinds:
        ours, theirs = os.pipe()
        pipes.streams.append(each)
        pipes.theirs.append(theirs)
        pipes.shown.append((ours, 1 if f.STDOUT in each else 2))
    return pipes


class Detached(Exception):
    """The command has left the container by the keys for that, and the container goes on."""
