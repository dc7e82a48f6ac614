"""A supervisor's ends of what its container reads and prints."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PIECE: Final = 64 * 1024
#: Who types faster than the container reads has to wait when so much is on its way.
_BACKLOG: Final = 1024 * 1024


class Streams:
    """The container's ends of what it reads and prints; for a terminal all are one."""

    def __init__(self) -> None:
        self.outputs: dict[int, int] = {}
        """The kind of frame for what is read from a file."""
        self.input: int | None = None
        self.pending = bytearray()
        """What is still to be written to ``input``."""
        self.input_ends = False

    @property
    def files(self) -> set[int]:
        """All that is open."""
        return {*self.outputs, *(() if self.input is None else (self.input,))}

    @property
    def full(self) -> bool:
        """Whether nothing more is to be typed for now."""
        return len(self.pending) >= _BACKLOG

    def register(self, poll: select.poll, *, held_up: bool) -> None:
        """Wait for what can be read, unless nobody has room for it, and for what can be written."""
        for file in self.files:
            events = select.POLLIN if file in self.outputs and not held_up else 0
            if file == self.input and self.pending:
                events |= select.POLLOUT
            if events:
                poll.register(file, events)

    def type(self, content: bytes, *, ends: bool) -> None:
        """Give the process something to read, and perhaps the end of it."""
        self.pending += content
        self.input_ends = self.input_ends or ends
        self.write()

    def write(self) -> None:
        """Write to the container what it takes now."""
        if self.input is None:
            self.pending.clear()
            return
        try:
            while self.pending:
                del self.pending[: os.write(self.input, self.pending[:PIECE])]
        except BlockingIOError:
            return
        except OSError:  # it does not read any more
            self.pending.clear()
        if self.input_ends and self.input not in self.outputs:
            os.close(self.input)
            self.input = None

    def read(self, file: int) -> bytes | None:
        """Read what was printed; None if nothing is there for now, nothing at the end."""
        try:
            return os.read(file, PIECE)
        except BlockingIOError:
            return None
        except OSError:  # how a terminal ends
            return b""

    def close_output(self, file: int) -> None:
        """Close what has come to its end."""
        del self.outputs[file]
        if self.input == file:
            self.input = None
        os.close(file)

    def close(self) -> None:
        """Close all."""
        for file in list(self.outputs):
            self.close_output(file)
        if self.input is not None:
            os.close(self.input)
            self.input = None
