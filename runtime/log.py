"""What a container prints, as it is kept: the CRI's log format, a line each, in files that are rotated.

``2026-11-24T04:15:52.123456789Z stdout F text``: F is a whole line, P a part that goes on with the next of that stream.
"""

from __future__ import annotations

import os
import time

from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Final

#: A line is parted here, so that a container that prints none does not fill our memory.
_LINE_LIMIT: Final = 16 * 1024

STREAMS: Final = (b"stdout", b"stderr")


class Entry(NamedTuple):
    """A line of a log, or a part of one."""

    time: bytes
    stream: bytes
    whole: bool
    text: bytes


def parse(line: bytes) -> Entry | None:
    """Read a line of a log file; None for one that was cut off."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) != 4 or parts[1] not in STREAMS or not line.endswith(b"\n"):
        return None
    return Entry(parts[0], parts[1], parts[2] == b"F", parts[3])


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Give the lines of a file that grows which are whole by now; the next call goes on behind them."""
    while line := file.readline():
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield line


def files(path: str) -> list[str]:
    """List the files of a log, the oldest first."""
    folder, name = os.path.split(path)
    behind = [found.removeprefix(f"{name}.") for found in os.listdir(folder) if found.startswith(f"{name}.")]
    older = sorted((int(number) for number in behind if number.isdecimal()), reverse=True)
    return [*(f"{path}.{number}" for number in older), *([path] if os.path.exists(path) else [])]


class LogWriter:
    """Writes the log of one container; ``path`` is the newest file, ``path.1`` the one before it, and so on."""

    def __init__(self, path: str, size: int, files: int) -> None:
        self._path = path
        self._limit = size
        self._files = files
        self._rest = dict.fromkeys(STREAMS, b"")
        self._open()

    def write(self, stream: bytes, data: bytes) -> None:
        """Keep what came on a stream, now."""
        head = stamp(time.time_ns()) + b" " + stream
        whole, newline, rest = (self._rest[stream] + data).rpartition(b"\n")
        # Not line by line: there may be ten thousands of them, and this process is to stay small.
        entries = b"%b F %b\n" % (head, whole.replace(b"\n", b"\n%b F " % head)) if newline else b""
        if len(rest) > _LINE_LIMIT:
            entries += b"%b P %b\n" % (head, rest)
            rest = b""
        self._rest[stream] = rest
        self._append(entries)

    def flush(self) -> None:
        """Keep unfinished lines as they are: the container has ended."""
        head = stamp(time.time_ns())
        self._append(b"".join(b"%b %b P %b\n" % (head, stream, rest) for stream, rest in self._rest.items() if rest))
        self._rest = dict.fromkeys(STREAMS, b"")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _append(self, entries: bytes) -> None:
        """Write as many lines at once as there is room for, but no less than one into each file."""
        begin, whole = 0, len(entries)
        while begin < whole:
            end = min(whole, begin + max(0, self._limit - self._size))
            end = end if end == whole else entries.rfind(b"\n", begin, end) + 1
            if not end and self._size:
                self._rotate()
                continue
            end = end or entries.index(b"\n", begin) + 1
            self._write(memoryview(entries)[begin:end])
            begin = end

    def _write(self, view: memoryview) -> None:
        while view:
            written = os.write(self._file, view)
            self._size += written
            view = view[written:]

    def _rotate(self) -> None:
        os.close(self._file)
        if self._files == 1:
            os.unlink(self._path)
        for number in range(self._files - 1, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            if os.path.exists(older):
                os.rename(older, f"{self._path}.{number}")
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size


def stamp(nanoseconds: int) -> bytes:
    """Write a time since the epoch; later ones sort behind earlier ones."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return b"%b.%09dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode(), fraction)
