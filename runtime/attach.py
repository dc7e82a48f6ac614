"""A person's end of a container's streams: what is typed goes in, what is printed comes out, signals are passed on."""

from __future__ import annotations

import os
import select

from runtime import frames as f
from runtime.container import reachable
from runtime.errors import Fault
from runtime.lean import contextmanager, signal, suppress
from runtime.manner import STREAMS, Detached
from runtime.signals import NUMBERS
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterator
    from typing import Final

    from runtime.container import Container
    from runtime.manner import Manner

#: Those that are not passed on: they are about this process, or cannot be caught.
_OWN: Final = frozenset(
    {
        signal.SIGCHLD,
        signal.SIGPIPE,
        signal.SIGKILL,
        signal.SIGSTOP,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGCONT,
        signal.SIGURG,
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
    }
)
_PIECE: Final = 64 * 1024


class Session:
    """A visit to a supervisor."""

    def __init__(self, connection: socket) -> None:
        self.connection = connection
        self._frames = f.Frames()
        self._received: list[tuple[int, bytes]] = []
        self._keys = b""
        self._shown = frozenset(STREAMS)
        self._typed = b""
        """What may be the first of the keys, and is kept back until the next is known."""

    def send(self, kind: int, content: bytes = b"") -> None:
        """Send a frame. Raises OSError if the supervisor has ended."""
        self.connection.sendall(f.frame(kind, content))

    def next(self) -> tuple[int, bytes]:
        """Wait for a frame; kind 0 if the supervisor has ended."""
        while not self._received:
            try:
                data = self.connection.recv(_PIECE)
            except ConnectionResetError:
                data = b""
            if not data:
                return 0, b""
            self._received += self._frames.feed(data)
        return self._received.pop(0)

    def wait(self) -> int:
        """Wait until the container ends, and give its exit status. Raises Fault if its supervisor is killed."""
        while (status := _exit_status(*self.next())) is None:
            pass
        return status

    def leave(self) -> None:
        """Leave what goes on without us."""
        with suppress(OSError):
            self.send(f.LEAVE)
        self.connection.close()

    def relay(self, *, stdin: bool, terminal: bool, manner: Manner) -> int:
        """Be the process's terminal until it ends; give its exit status. Raises Detached, and Fault."""
        self._keys = manner.keys if terminal else b""
        self._shown = manner.shown
        proxy = manner.proxy
        with _signals() as signals, _raw_terminal(on=terminal and stdin):
            if terminal:
                self._tell_size()
            inputs = {self.connection.fileno(), signals, *((0,) if stdin else ())}
            while True:
                # What came together with an earlier answer is not announced again.
                if self._received and (status := self._show()) is not None:
                    return status
                poll = select.poll()
                for file in inputs:
                    poll.register(file, select.POLLIN)
                for file, _ in poll.poll():
                    if file == 0 and not self._type():
                        inputs.discard(0)
                    elif file == signals:
                        self._pass_on(os.read(signals, 512), terminal=terminal, proxy=proxy)
                    elif file == self.connection.fileno() and (status := self._show()) is not None:
                        return status

    def _show(self) -> int | None:
        """Print what has come; give the exit status if that was all."""
        while True:
            kind, content = self.next()
            if (status := _exit_status(kind, content)) is not None:
                return status
            if kind in self._shown:
                write(1 if kind == f.STDOUT else 2, content)
            if not self._received:
                return None

    def _type(self) -> bool:
        """Pass on what was typed; False at its end. Raises Detached."""
        try:
            data = os.read(0, _PIECE)
        except OSError:  # the terminal is gone
            data = b""
        passed, self._typed, found = hold_back(self._typed + data, self._keys if data else b"")
        if passed or not data:
            with suppress(BrokenPipeError):
                self.send(f.STDIN, passed)
                if passed and not data:
                    self.send(f.STDIN)
        if found:
            self.leave()
            raise Detached
        return bool(data)

    def _pass_on(self, numbers: bytes, *, terminal: bool, proxy: bool) -> None:
        with suppress(BrokenPipeError):
            for number in numbers:
                if number == signal.SIGWINCH:
                    if terminal:
                        self._tell_size()
                elif proxy:
                    self.send(f.SIGNAL, b"%d" % number)
                else:
                    raise KeyboardInterrupt

    def _tell_size(self) -> None:
        if (size := our_size()) is not None:
            with suppress(OSError):
                self.send(f.RESIZE, b"".join(number.to_bytes(2, "big") for number in size))


def _exit_status(kind: int, content: bytes) -> int | None:
    """Read the exit status from a frame; None if it is another one. Raises Fault if no more will come."""
    if kind == 0:
        raise Fault("the container's supervisor was killed, so the container is ended with the next command")
    return int(content) if kind == f.EXIT else None


def our_size() -> tuple[int, int] | None:
    """Give the rows and columns of the terminal that we print on; None if it is none."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        return None
    return rows, columns


def hold_back(typed: bytes, keys: bytes) -> tuple[bytes, bytes, bool]:
    """Part what was typed: what is passed on, what may be the beginning of the keys, and whether all of them came."""
    if not keys:
        return typed, b"", False
    before, found, _ = typed.partition(keys)
    if found:
        return before, b"", True
    kept = next(n for n in range(len(keys) - 1, -1, -1) if typed.endswith(keys[:n]))
    return typed[: len(typed) - kept], keys[:kept], False


def visit(container: Container) -> Session | None:
    """Speak to the supervisor of a container; None if it has none."""
    connection = Socket()
    try:
        with reachable(container.running) as folder:
            connection.connect(f"{folder}/socket")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return Session(connection)


def write(file: int, data: bytes) -> None:
    """Print all of it."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(file, view) :]
        except BlockingIOError:  # whoever shares our terminal has made it so
            select.select([], [file], [])


@contextmanager
def _signals() -> Iterator[int]:
    """Give a file from which the numbers of signals are read that would else be ours."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    before = {}
    for number in set(NUMBERS.values()) - _OWN:
        before[number] = signal.signal(number, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    try:
        yield reads
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reads)
        os.close(writes)


@contextmanager
def _raw_terminal(*, on: bool) -> Iterator[None]:
    """Have every key reach the container, also those that would be signals here."""
    if not on:
        yield
        return
    import termios  # noqa: PLC0415 - not for those without a terminal
    import tty  # noqa: PLC0415

    before = termios.tcgetattr(0)
    # What was typed already is for the container.
    tty.setraw(0, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
