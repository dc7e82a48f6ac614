"""A supervisor's ends of what its container reads and prints."""

import os
from typing import Final

PIECE: Final = 64 * 1024


class Streams:
    """The container's ends of what it reads and prints; for a terminal all are one."""

    def __init__(self) -> None:
        self.outputs: dict[int, int] = {}
        """The kind of frame for what is read from a file."""
        self.input: int | None = None
        self.pending = bytearray()
        """What is still to be written to ``input``."""
        self.input_ends = False

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
