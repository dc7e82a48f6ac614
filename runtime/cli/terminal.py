"""What commands print, made safe for a terminal.

Error messages of a registry, names in an image, commands and labels of a container are chosen by others, and a terminal
obeys the control characters in them. All text that commands print goes through here; what a container prints does not,
for that is the container's to decide.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final, TextIO

#: C0 without tab and newline, delete, C1, and what changes the direction of writing; shown so that JSON stays JSON.
_SHOWN: Final = {
    code: f"\\u{code:04x}"
    for codes in (range(9), range(11, 32), range(127, 160), range(0x202A, 0x202F), range(0x2066, 0x206A))
    for code in codes
}


def printable(text: str) -> str:
    """Return the text with its control characters written out."""
    return text.translate(_SHOWN)


class PrintableStream:
    """A text stream that control characters do not get through."""

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream

    def write(self, text: str) -> int:
        """Write text. The count is that of what was given."""
        self.unfiltered.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line as it comes."""
        for line in lines:
            self.unfiltered.write(printable(line))

    def __getattr__(self, name: str) -> Any:
        """Be the stream in everything else."""
        return getattr(self.unfiltered, name)


def filter_output() -> None:
    """Have everything that is printed from now on go through a filter."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, PrintableStream(getattr(sys, name)))


def unfiltered(stream: TextIO) -> TextIO:
    """Return the stream below the filter, for control sequences of our own."""
    return stream.unfiltered if isinstance(stream, PrintableStream) else stream
