"""How a person is attached to what runs: read from the command line before it runs, and so apart from what attaches."""

from __future__ import annotations

from runtime import frames as f
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

STREAMS: Final = (f.STDOUT, f.STDERR)


class Manner(NamedTuple):
    """How a person is attached."""

    keys: bytes = b"\x10\x11"
    """By which they leave a terminal: ctrl-p ctrl-q."""
    proxy: bool = True
    """Signals are passed on; else they end the visit alone."""
    shown: frozenset[int] = frozenset(STREAMS)
    """What they see, by the kinds of frames."""


class Detached(Exception):
    """The person has left the container, which goes on."""
