"""The process that stays with a container: it owns its streams, its log, its exit status and its restart policy.

It outlives the command that started it. There is one for every container that runs, and nothing else of preg stays, so
it is small and imports little. It is found by the lock on the container's directory and by a socket.
"""

import fcntl
import json
import os
import select
import signal
import socket
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from runtime import cgroup
from runtime import frames as f
from runtime.container import EXITED, RESTARTING, RUNNING, Container, State, reachable
from runtime.containers import Containers
from runtime.kernel import MNT_DETACH, adopt_orphans, join_mounts, unmount
from runtime.log import LogWriter
from runtime.restart import is_due, next_delay
from runtime.streams import PIECE, Streams
from runtime.tree import remove_tree
from runtime.visitor import Visitor

#: Who prints, or types, faster than somebody reads has to wait when so much is on its way.
_BACKLOG: Final = 1024 * 1024
#: unix(7), SCM_MAX_FD.
_FILES_AT_ONCE: Final = 253
#: Those of a terminal, which is not ours.
_IGNORED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


class Order(NamedTuple):
    """What a supervisor is told at its start, with the lock of the container and the mounts it is to run in."""

    home: str
    state: str
    identifier: str
    run: list[str]
    delete: list[str]
    remains: str
    """Where the engine keeps what it knows of the container."""
    environ: dict[str, str]
    attach: bool
    """Whoever gives the order wants to see what the container prints."""
    network: bool
    """The container has a network namespace, which is the third file; those behind it hold published ports."""


class Supervisor:
    """One container from its start to its last end."""

    def __init__(self, order: Order, held: int, first: Visitor) -> None:
        self._order = order
        self._held = held
        self._containers = Containers(order.home, order.state)
        self._container = self._containers.get(order.identifier)
        self._description = self._container.describe()
        self._state = self._container.state()
        self._visitors = [first]
        self._log = LogWriter(f"{self._container.directory}/output.log")
        self._streams = Streams()
        self._delay = 0.0
        self._wake_at: float | None = None
        """When to kill a container that was asked to end, or to start one that has ended."""
        self._over = False
        self._listener = _listen(self._container)
        self._signals = _catch_signals()

    def run(self) -> None:
        """Supervise until the container has ended for good."""
        self._state = State(restarts=0)
        failure = self._start()
        first = self._visitors[0]
        if failure is not None:
            self._put_away()
            first.connection.setblocking(True)
            first.send(f.FAILED, failure)
            return
        first.send(f.STARTED)
        while not self._over:
            self._turn()

    # The life of the container

    def _start(self) -> bytes | None:
        """Start the container; give what its engine says if that fails."""
        container, pid_file = self._container, f"{self._container.running}/pid"
        with suppress(FileNotFoundError):
            os.unlink(f"{container.running}/log")
        self._streams = Streams()
        run = self._run_with_terminal if self._description.terminal else self._run_with_pipes
        if run(pid_file):
            self._streams.close()
            self._delete_by_engine()
            return _read(f"{container.running}/log")
        for file in (*self._streams.outputs, *([self._streams.input] if self._streams.input is not None else [])):
            os.set_blocking(file, False)
        pid = int(_read(pid_file))
        self._set(status=RUNNING, pid=pid, started=time.time(), finished=0.0)
        return None

    def _run_with_pipes(self, pid_file: str) -> int:
        out, err = os.pipe(), os.pipe()
        given = os.pipe() if self._description.stdin else (os.open(os.devnull, os.O_RDONLY), None)
        self._streams.outputs = {out[0]: f.STDOUT, err[0]: f.STDERR}
        self._streams.input = given[1]
        try:
            return self._spawn([*self._order.run, "--pid-file", pid_file], (given[0], out[1], err[1]))
        finally:
            for file in (given[0], out[1], err[1]):
                os.close(file)

    def _run_with_terminal(self, pid_file: str) -> int:
        with reachable(self._container.running) as folder, socket.socket(socket.AF_UNIX) as console:
            path = f"{folder}/console"
            with suppress(FileNotFoundError):
                os.unlink(path)
            console.bind(path)
            console.listen()
            null = os.open(os.devnull, os.O_RDWR)
            # As another process sees it.
            seen = path.replace("/self/", f"/{os.getpid()}/")
            try:
                command = [*self._order.run, "--pid-file", pid_file, "--console-socket", seen]
                if failed := self._spawn(command, (null, null, null)):
                    return failed
            finally:
                os.close(null)
            connection, _ = console.accept()
            with connection:
                _, files, _, _ = socket.recv_fds(connection, 4096, 1)
        os.unlink(f"{self._container.running}/console")
        self._streams.outputs = {files[0]: f.STDOUT}
        self._streams.input = files[0]
        return 0

    def _spawn(self, command: list[str], streams: tuple[int, int, int]) -> int:
        """Run the engine until it has started the container, or has failed to."""
        actions = [(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(streams)]
        words = [*command, self._container.id]
        child = os.posix_spawn(
            words[0],
            words,
            self._order.environ,
            file_actions=actions,
            setsigmask=(),
            # What we or Python ignore stays ignored in the child.
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, *_IGNORED),
        )
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    def _reap(self) -> None:
        """Take note of every child that has ended; the container's own children come to us only when it has."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._state.pid and self._state.status == RUNNING:
                code = os.waitstatus_to_exitcode(status)
                self._end(code if code >= 0 else 128 - code)

    def _end(self, code: int) -> None:
        """The container has ended: start it again later, or put it away."""
        self._wake_at = None
        for file in list(self._streams.outputs):
            while data := self._streams.read(file):
                self._print(file, data)
        self._streams.close()
        self._write_log(self._log.flush)
        self._clean_up_after_engine()
        ended = self._state._replace(exit_code=code, pid=0, finished=time.time())
        if not ended.cut_off and is_due(self._description.restart, ended):
            self._delay = next_delay(self._delay, ended.finished - ended.started)
            self._wake_at = time.monotonic() + self._delay
            self._state = ended
            self._set(status=RESTARTING, restarts=ended.restarts + 1)
            self._say_goodbye()
        else:
            self._state = ended
            self._set(status=EXITED)
            self._finish()

    def _wake(self) -> None:
        self._wake_at = None
        if self._state.status == RUNNING:
            self._signal(signal.SIGKILL)
        elif (failure := self._start()) is not None:
            self._set(status=EXITED, exit_code=125, error=failure.decode(errors="replace").strip())
            self._finish()

    def _finish(self) -> None:
        self._over = True
        self._put_away()
        if self._description.remove:
            with suppress(OSError):  # a mount of its own, or none at all
                unmount(f"{self._container.directory}/root", MNT_DETACH)
            self._containers.remove(self._container, volumes=True)
        os.close(self._held)
        self._say_goodbye()

    def _put_away(self) -> None:
        self._listener.close()
        self._log.close()
        if self._order.network:
            from runtime.network.endpoints import release  # noqa: PLC0415 - not to be held while the container runs

            release(self._order.state, self._container.id)
        remove_tree(self._container.running)

    def _clean_up_after_engine(self) -> None:
        """Remove what the engine leaves; it can do so itself, which takes as long as a start."""
        try:
            cgroup.remove(self._container.id)
            remove_tree(self._order.remains)
        except OSError:
            self._delete_by_engine()

    def _delete_by_engine(self) -> None:
        null = os.open(os.devnull, os.O_RDWR)
        try:
            self._spawn(self._order.delete, (null, null, null))
        finally:
            os.close(null)

    def _signal(self, number: int) -> None:
        if number == signal.SIGKILL and cgroup.is_frozen(self._container.id):
            cgroup.set_frozen(self._container.id, frozen=False)
        with suppress(ProcessLookupError):
            os.kill(self._state.pid, number)

    def _stop(self, number: int, seconds: float) -> None:
        if self._state.status == RESTARTING:
            self._wake_at = None
            self._set(status=EXITED)
            self._finish()
            return
        cgroup.set_frozen(self._container.id, frozen=False)
        self._signal(number)
        if seconds >= 0:
            self._wake_at = time.monotonic() + seconds

    def _set(self, **changes: Any) -> None:
        self._state = self._state._replace(**changes)
        self._container.write_state(self._state)

    # Those who visit

    def _turn(self) -> None:
        """Wait until something happens, and deal with it."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        held_up = any(len(v.outgoing) > _BACKLOG for v in self._visitors)
        for file in self._streams.outputs if not held_up else ():
            poll.register(file, select.POLLIN)
        if self._streams.pending and self._streams.input is not None:
            also = select.POLLIN if self._streams.input in self._streams.outputs and not held_up else 0
            poll.register(self._streams.input, select.POLLOUT | also)
        for visitor in self._visitors:
            reads = select.POLLIN if len(self._streams.pending) < _BACKLOG else 0
            poll.register(visitor.connection, reads | (select.POLLOUT if visitor.outgoing else 0))
        left = None if self._wake_at is None else max(0.0, self._wake_at - time.monotonic()) * 1000
        for file, events in poll.poll(left):
            if not self._over:
                self._serve(file, events)
        if not self._over and self._wake_at is not None and time.monotonic() >= self._wake_at:
            self._wake()

    def _serve(self, file: int, events: int) -> None:
        if file == self._signals:
            self._take_signals()
        elif file == self._listener.fileno():
            connection, _ = self._listener.accept()
            self._visitors.append(Visitor(connection))
        elif file in self._streams.outputs or file == self._streams.input:
            if file == self._streams.input:
                self._streams.write()
            if events & ~select.POLLOUT and file in self._streams.outputs:
                self._relay(file)
        else:
            for visitor in [v for v in self._visitors if v.connection.fileno() == file]:
                self._attend(visitor, events)

    def _relay(self, file: int) -> None:
        data = self._streams.read(file)
        if data:
            self._print(file, data)
        elif data is not None:
            self._streams.close_output(file)

    def _print(self, file: int, data: bytes) -> None:
        kind = self._streams.outputs[file]
        self._write_log(lambda: self._log.write(b"stderr" if kind == f.STDERR else b"stdout", data))
        for visitor in list(self._visitors):
            if visitor.attached:
                try:
                    visitor.send(kind, data)
                except OSError:
                    self._drop(visitor)

    def _write_log(self, write: Callable[[], None]) -> None:
        """Write to the log; a disk that is full must not end the container."""
        try:
            write()
        except OSError as error:
            self._set(error=f"output was lost: the log could not be written: {error.strerror}")

    def _attend(self, visitor: Visitor, events: int) -> None:
        try:
            visitor.flush()
            if events & ~select.POLLOUT:
                data = visitor.connection.recv(PIECE)
                if not data:
                    self._drop(visitor)
                    return
                for kind, content in visitor.frames.feed(data):
                    self._answer(visitor, kind, content)
        except (OSError, ValueError):  # it is gone, or talks nonsense
            self._drop(visitor)

    def _answer(self, visitor: Visitor, kind: int, content: bytes) -> None:
        if kind == f.ATTACH:
            visitor.attached = True
        elif kind == f.STDIN:
            self._streams.pending += content
            if not content and self._description.stdin_once:
                self._streams.input_ends = True
            self._streams.write()
        elif kind == f.RESIZE:
            rows, columns = struct.unpack(">HH", content)
            for file in self._streams.outputs if self._description.terminal else ():
                fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("=HHHH", rows, columns, 0, 0))
        elif kind == f.SIGNAL:
            number = int(content)
            if number in (signal.SIGKILL, self._description.stop_signal):
                self._set(stopped=True)
            self._signal(number)
        elif kind == f.STOP:
            words = content.split()
            self._set(stopped=True)
            visitor.waits = True
            self._stop(int(words[0]), int(words[1]))
        elif kind == f.WAIT:
            visitor.waits = True

    def _drop(self, visitor: Visitor) -> None:
        if visitor in self._visitors:
            self._visitors.remove(visitor)
            visitor.connection.close()
            if visitor.attached and self._description.stdin_once:
                self._streams.input_ends = True
                self._streams.write()

    def _say_goodbye(self) -> None:
        """Tell everybody that the container has ended. Those who are slow to read do not keep the others waiting."""
        for visitor in sorted(self._visitors, key=lambda each: len(each.outgoing)):
            with suppress(OSError):
                visitor.connection.setblocking(True)
                visitor.send(f.EXIT, b"%d" % self._state.exit_code)
            visitor.connection.close()
        self._visitors = []

    def _take_signals(self) -> None:
        for number in set(os.read(self._signals, 512)):
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGTERM:
                # The host goes down, and the container shall be started again with it.
                self._set(cut_off=True)
                self._stop(self._description.stop_signal, self._description.stop_timeout)


def main() -> None:
    """Wait for an order on standard input, and carry it out."""
    os.setsid()
    connection = socket.socket(fileno=os.dup(0))
    first = Visitor(connection)
    connection.setblocking(True)
    received = _read_order(connection, first)
    if received is None:
        return  # who would have given it has thought better of it
    order, files = received
    join_mounts(files[1])
    os.close(files[1])
    if order.network:
        # By this path the engine finds it, and everybody else.
        os.symlink(f"/proc/{os.getpid()}/fd/{files[2]}", f"{order.state}/containers/{order.identifier}/netns")
    connection.setblocking(False)
    first.attached = order.attach
    null = os.open(os.devnull, os.O_RDWR)
    # What goes wrong with us is no part of what the container prints.
    trouble = os.open(f"{order.state}/containers/{order.identifier}/trouble", os.O_WRONLY | os.O_CREAT, 0o600)
    for number, file in enumerate((null, null, trouble)):
        os.dup2(file, number)
    os.chdir("/")
    adopt_orphans()
    Supervisor(order, files[0], first).run()


def _read_order(connection: socket.socket, visitor: Visitor) -> tuple[Order, list[int]] | None:
    files: list[int] = []
    while True:
        data, received, _, _ = socket.recv_fds(connection, PIECE, _FILES_AT_ONCE, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return None
        files += received
        for kind, content in visitor.frames.feed(data):
            if kind == f.START:
                return Order(**json.loads(content)), files


def _listen(container: Container) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    with reachable(container.running) as folder:
        listener.bind(f"{folder}/socket")
    listener.listen()
    return listener


def _catch_signals() -> int:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(writes)
    return reads


def _read(path: str) -> bytes:
    with suppress(FileNotFoundError), open(path, "rb") as file:
        return file.read()
    return b""
