"""A command's end of a process's streams: what is typed goes in, what is printed comes out, signals are passed on.

Each stream is carried by a thread, for whatever reads or writes this command's own files may stop for as long as it
likes, and nothing else may wait for it.
"""

from __future__ import annotations

import _thread
import os
import select

from runtime import frames as f
from runtime.container import reachable
from runtime.errors import Fault
from runtime.lean import contextmanager, signal, suppress
from runtime.manner import NO_PIPES, Detached
from runtime.signals import NUMBERS
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Iterator
    from typing import Final

    from runtime.container import Container
    from runtime.manner import Manner, Pipes

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
#: Milliseconds for which what runs on a terminal sees another size, as docker's two requests take some time.
_REDRAW: Final = 50
#: No signal has this number.
NEWS: Final = 0


class Session:
    """A connection to a supervisor."""

    def __init__(self, connection: Socket) -> None:
        self.connection = connection
        self._frames = f.Frames()
        self._received: list[tuple[int, bytes]] = []
        self._redraws = False
        """The terminal is larger than ours for a moment, for what runs there to notice a change."""

    def send(self, kind: int, content: bytes = b"", pipes: Pipes = NO_PIPES) -> None:
        """Send a request, and pipes with it. Raises OSError if the supervisor has ended."""
        self.connection.send_files(f.frame(kind, content), pipes.theirs)
        pipes.close_theirs()

    def ask(self, kind: int, content: bytes = b"", pipes: Pipes = NO_PIPES) -> tuple[int, bytes]:
        """Send a request, and wait for the answer; kind 0 if the supervisor has ended."""
        try:
            self.send(kind, content, pipes)
        except OSError:
            return 0, b""
        return self.next()

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
        kind, content = self.next()
        while kind not in (0, f.EXIT):
            kind, content = self.next()
        return _exit_status(kind, content)

    def until_closed(self) -> None:
        """Wait until the supervisor has nothing more to say, because the container has ended or was never started."""
        while self.next()[0]:
            pass
        self.connection.close()

    def leave(self) -> None:
        """Leave what goes on without us."""
        with suppress(OSError):
            self.send(f.LEAVE)
        self.connection.close()

    def relay(self, pipes: Pipes, *, terminal: bool, manner: Manner, redraw: bool = False) -> int:
        """Be the process's terminal until it ends; give its exit status. Raises Detached, and Fault.

        With ``redraw`` what runs on the terminal is to show again what it has shown to others.
        """
        with _raw_terminal(on=terminal and pipes.stdin is not None):
            with _signals() as signals:
                self._redraws = redraw and terminal and self._tell_size(more=1)
                if terminal and not self._redraws:
                    self._tell_size()
                carriers = Carriers(pipes, manner.keys if terminal else b"", signals)
                kind, content = self._follow(carriers, terminal=terminal, proxy=manner.proxy)
            # Nobody is left whom signals could be passed on to, so they are our own.
            carriers.wait()
        return _exit_status(kind, content)

    def _follow(self, carriers: Carriers, *, terminal: bool, proxy: bool) -> tuple[int, bytes]:
        """Pass signals on until the process ends: give the last frame. Raises Detached."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        poll.register(carriers.news, select.POLLIN)
        while True:
            # What came together with an earlier answer is not announced again.
            due = _REDRAW if self._redraws else None
            ready = [self.connection.fileno()] if self._received else [file for file, _ in poll.poll(due)]
            if not ready:
                self._redraws = False
                self._tell_size()
            if carriers.news in ready:
                self._pass_on(os.read(carriers.news, 512), terminal=terminal, proxy=proxy)
                if carriers.left:
                    self.leave()
                    raise Detached("read escape sequence")
                carriers.check()
            if self.connection.fileno() in ready:
                kind, content = self.next()
                if kind in (0, f.EXIT):
                    return kind, content

    def _pass_on(self, numbers: bytes, *, terminal: bool, proxy: bool) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            for number in numbers:
                if number == signal.SIGWINCH:
                    if terminal:
                        self._tell_size()
                elif number != NEWS and proxy:
                    self.send(f.SIGNAL, b"%d" % number)
                elif number != NEWS:
                    raise KeyboardInterrupt

    def _tell_size(self, more: int = 0) -> bool:
        """Tell how large our terminal is; False if there is none."""
        if (size := our_size()) is None:
            return False
        with suppress(OSError):
            self.send(f.RESIZE, b"".join((number + more).to_bytes(2, "big") for number in size))
        return True


class Carriers:
    """The threads that carry a process's streams. Each says by a byte in ``signals`` that there is news of it."""

    def __init__(self, pipes: Pipes, keys: bytes, signals: tuple[int, int]) -> None:
        self.news, self._tells = signals
        self.left = False
        """The keys were typed by which the process is left."""
        self._failure: OSError | None = None
        self._shown = [self._begin(self._show, ours, file) for ours, file in pipes.shown]
        if pipes.stdin is not None:
            self._begin(self._type, pipes.stdin, keys)

    def wait(self) -> None:
        """Wait until all that was printed is shown. Raises OSError if it cannot be."""
        for shown in self._shown:
            shown.acquire()
        self.check()

    def check(self) -> None:
        """Raise OSError if what is printed cannot be shown."""
        if self._failure is not None:
            raise self._failure

    def _begin(self, carry: Callable[..., None], *arguments: int | bytes) -> LockType:
        """Begin a thread: give a lock that is free when it has ended."""
        carrying = _thread.allocate_lock()
        carrying.acquire()

        def run() -> None:
            try:
                carry(*arguments)
            finally:
                carrying.release()

        try:
            _thread.start_new_thread(run, ())
        except RuntimeError as error:
            raise Fault(
                "the streams cannot be passed on, as this user may have no more threads: see 'ulimit -u'"
            ) from error
        return carrying

    def _show(self, source: int, file: int) -> None:
        try:
            while data := os.read(source, _PIECE):
                write(file, data)
        except OSError as error:
            self._failure = error
            os.write(self._tells, bytes([NEWS]))
        os.close(source)

    def _type(self, target: int, keys: bytes) -> None:
        kept, data = b"", b"-"
        with suppress(OSError):  # the process reads no more
            while data and not self.left:
                try:
                    data = os.read(0, _PIECE)
                except OSError:  # the terminal is gone
                    data = b""
                passed, kept, self.left = hold_back(kept + data, keys if data else b"")
                write(target, passed)
        if self.left:
            os.write(self._tells, bytes([NEWS]))
        else:
            os.close(target)


def _exit_status(kind: int, content: bytes) -> int:
    """Read the exit status from the last frame of a supervisor. Raises Fault if it was killed before it sent one."""
    if kind == 0:
        raise Fault("the container's supervisor was killed, so the container is ended with the next command")
    return int(content)


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
def _signals() -> Iterator[tuple[int, int]]:
    """Give the ends of a pipe, from which the numbers of signals are read that would else be ours."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    before = {}
    for number in set(NUMBERS.values()) - _OWN:
        before[number] = signal.signal(number, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    try:
        yield reads, writes
    finally:
        # The pipe stays open: threads may still have news.
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)


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
