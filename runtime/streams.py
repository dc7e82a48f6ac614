"""A supervisor's ends of what a process reads and prints, and the files that it waits for."""

from __future__ import annotations

import fcntl
import os
import select

from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Final

PIECE: Final = 64 * 1024
#: More than a terminal holds.
_TERMINAL: Final = 128 * 1024
_F_GETPIPE_SZ: Final = 1032


class Poller:
    """What a supervisor waits for once: files, and what is to be done with each that is ready."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[int], None]] = {}

    def add(self, file: int, events: int, handle: Callable[[int], None]) -> None:
        """Wait for events of a file, of which ``handle`` is told."""
        self._poll.register(file, events)
        self._handlers[file] = handle

    def wait(self, seconds: float | None) -> None:
        """Wait until something is ready, and deal with all that is, in the order in which it was added."""
        for file, events in self._poll.poll(None if seconds is None else max(0.0, seconds) * 1000):
            # Nobody but its handler knows what the number stands for by now.
            self._handlers[file](events)


class Streams:
    """The supervisor's ends of what a process reads and prints; for a terminal all are one.

    ``sources`` are the pipes with what clients type. With ``once`` the end of the first of them is the process's.
    """

    def __init__(self, *, once: bool, sources: Sequence[int] = ()) -> None:
        self.outputs: dict[int, int] = {}
        """The kind of stream that is read from a file."""
        self.input: int | None = None
        self.sources = list(sources)
        self._once = once
        self._pending = memoryview(b"")
        """What is still to be written to ``input``."""
        self._ends = False
        """There is nothing more to read for the process, or it reads nothing more."""

    @property
    def files(self) -> set[int]:
        """All of the process that is open."""
        return {*self.outputs, *(() if self.input is None else (self.input,))}

    def connect(self, outputs: dict[int, int], given: int | None) -> None:
        """Take the files of a process; it has no input if nothing is given to it."""
        self.outputs, self.input, self._ends = outputs, given, given is None
        for file in self.files:
            os.set_blocking(file, False)

    def add_source(self, file: int) -> None:
        """Let a client type."""
        os.set_blocking(file, False)
        self.sources.append(file)

    def watch(self, poller: Poller, is_full: Callable[[int], bool], printed: Callable[[int, bytes], None]) -> None:
        """Wait for what is typed, if there is room for it, and printed, unless that is full, and for room to write."""
        for file in self.files:
            events = select.POLLIN if file in self.outputs and not is_full(self.outputs[file]) else 0
            if file == self.input and self._pending:
                events |= select.POLLOUT
            if events:
                poller.add(file, events, self._relaying(file, printed))
        for source in list(self.sources):
            if self._ends:
                self._close_source(source)
            elif self.input is not None and not self._pending:
                poller.add(source, select.POLLIN, self._typing(source))

    def _relaying(self, file: int, printed: Callable[[int, bytes], None]) -> Callable[[int], None]:
        def relay(events: int) -> None:
            if file == self.input:
                self.write()
            kind = self.outputs.get(file)
            if kind is None or not events & ~select.POLLOUT:
                return
            data = self.read(file)
            if data == b"":
                self.close_output(file)
            elif data:
                printed(kind, data)

        return relay

    def _typing(self, source: int) -> Callable[[int], None]:
        def take(_: int) -> None:
            if source not in self.sources or self._pending or self._ends:
                return
            with suppress(BlockingIOError):
                data = os.read(source, PIECE)
                if not data:
                    self._close_source(source)
                self.type(data, ends=not data and self._once)

        return take

    def type(self, content: bytes, *, ends: bool) -> None:
        """Give the process something to read, which there must be room for, and perhaps the end of it."""
        if content:
            self._pending = memoryview(content)
        self._ends = self._ends or ends
        self.write()

    def write(self) -> None:
        """Write to the process what it takes now."""
        if self.input is None:
            self._pending = memoryview(b"")
            return
        try:
            while self._pending:
                self._pending = self._pending[os.write(self.input, self._pending) :]
        except BlockingIOError:
            return
        except OSError:  # it does not read any more
            self._pending, self._ends = memoryview(b""), True
        if self._ends and self.input not in self.outputs:
            self._close_input()

    def read(self, file: int) -> bytes | None:
        """Read what was printed; None if nothing is there for now, nothing at the end."""
        try:
            return os.read(file, PIECE)
        except BlockingIOError:
            return None
        except OSError:  # how a terminal ends
            return b""

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """Give what the process had printed when it ended, though others that have its streams go on."""
        for file, kind in list(self.outputs.items()):
            left = _capacity(file)
            while left > 0 and (data := self.read(file)):
                left -= len(data)
                yield kind, data

    def close_output(self, file: int) -> None:
        """Close what has come to its end."""
        del self.outputs[file]
        if self.input == file:
            self.input, self._ends = None, True
        os.close(file)

    def close(self) -> None:
        """Close all: the process has ended."""
        for file in list(self.outputs):
            self.close_output(file)
        self._close_input()
        for source in list(self.sources):
            self._close_source(source)

    def _close_input(self) -> None:
        self._ends = True
        if self.input is not None:
            os.close(self.input)
            self.input = None

    def _close_source(self, source: int) -> None:
        self.sources.remove(source)
        os.close(source)


def _capacity(file: int) -> int:
    """Give the most that a pipe or a terminal can hold."""
    try:
        return fcntl.fcntl(file, _F_GETPIPE_SZ)
    except OSError:
        return _TERMINAL
