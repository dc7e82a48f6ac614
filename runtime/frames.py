"""What a supervisor and its visitors say to each other over a socket: a byte of kind, four of length, and content."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

#: Of a visitor.
START: Final = 1
"""Become a supervisor (JSON); only on the socket a supervisor is started with, which is its first visitor's."""
ATTACH: Final = 2
"""Send me what the container prints from now on."""
STDIN: Final = 3
"""Give this to the container; nothing is the end of its input."""
RESIZE: Final = 4
"""The terminal's rows and columns, two bytes each."""
SIGNAL: Final = 5
"""Send the container this signal (decimal)."""
STOP: Final = 6
"""End the container: a signal, and the seconds after which it is killed (decimal, a space between)."""
WAIT: Final = 7
"""Tell me when the container ends."""
EXEC: Final = 8
"""Run one more process in the container (JSON); the visitor is concerned with that one from now on."""
LEAVE: Final = 9
"""I leave now, and what I am attached to goes on."""
RESTART: Final = 10
"""End the container as for STOP, and start it again at once."""
#: Of a supervisor.
STARTED: Final = 20
FAILED: Final = 21
"""The container, or the process, could not be started: what its engine has logged."""
STDOUT: Final = 22
STDERR: Final = 23
EXIT: Final = 24
"""The container, or the process, has ended: its exit status (decimal)."""

_HEAD: Final = 5
#: Far more than anybody sends; a visitor that announces more has lost its way.
_LIMIT: Final = 16 * 1024 * 1024


def frame(kind: int, content: bytes = b"") -> bytes:
    """Write a frame."""
    return kind.to_bytes(1, "big") + len(content).to_bytes(4, "big") + content


def read_size(content: bytes) -> tuple[int, int]:
    """Read the rows and columns of a terminal. Raises ValueError."""
    if len(content) != 4:
        raise ValueError("the size of a terminal is four bytes")
    return int.from_bytes(content[:2], "big"), int.from_bytes(content[2:], "big")


class Frames:
    """Puts frames together from what a socket gives."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Give every frame that is complete with this. Raises ValueError for one that is too long."""
        self._received += data
        while len(self._received) >= _HEAD:
            end = _HEAD + int.from_bytes(self._received[1:_HEAD], "big")
            if end > _LIMIT:
                raise ValueError("the frame is too long")
            if len(self._received) < end:
                return
            kind, content = self._received[0], bytes(self._received[_HEAD:end])
            del self._received[:end]
            yield kind, content
