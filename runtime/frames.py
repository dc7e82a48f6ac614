"""What a supervisor and its clients tell each other over a socket: a byte of kind, four of length, and content.

The streams of a process do not go this way: each has a pipe of its own, which a client makes and sends with a request.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

#: The kinds of streams. A request that attaches to them has a list of kinds for each pipe that comes with it.
STDIN: Final = 3
STDOUT: Final = 22
STDERR: Final = 23
#: So many pipes come with a request.
MOST_STREAMS: Final = 3

#: Of a client.
START: Final = 1
"""Become a supervisor (JSON); only on the socket a supervisor is started with, which is its first client's."""
ATTACH: Final = 2
"""Connect these streams of the container with the pipes that come with it, from now on (JSON)."""
RESIZE: Final = 4
"""The terminal's rows and columns, two bytes each."""
SIGNAL: Final = 5
"""Send the container this signal (decimal), and tell me when it is done."""
STOP: Final = 6
"""End the container: a signal, and the seconds after which it is killed (decimal, a space between)."""
WAIT: Final = 7
"""Tell me when the container ends."""
EXEC: Final = 8
"""Run one more process in the container (JSON); the client is concerned with that one from now on."""
LEAVE: Final = 9
"""I leave now, and what I am attached to goes on."""
RESTART: Final = 10
"""End the container as for STOP, and start it again at once."""
FREEZE: Final = 11
"""Stop all processes of the container where they are (1), or let them go on (0)."""
#: Of a supervisor.
STARTED: Final = 20
"""The container, or the process, runs."""
FAILED: Final = 21
"""The container, or the process, could not be started: what its engine has logged."""
DONE: Final = 25
"""What was asked for is done."""
REFUSED: Final = 26
"""What was asked for is not done: what the container is, as "is not running"."""
EXIT: Final = 24
"""The container, or the process, has ended, and all that it printed is in the pipes: its exit status (decimal)."""

_HEAD: Final = 5
#: Far more than any command sends; a client that announces more is misbehaving.
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
