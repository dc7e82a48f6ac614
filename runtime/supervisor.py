"""The process that stays with a container: it waits for what happens to it, and for what others want of it.

It outlives the command that started it. There is one for every container that runs, and nothing else of preg stays, so
it is small and imports little. It is found by the lock on the container's directory and by a socket.
"""

from __future__ import annotations

import os
import select
import time

from runtime import frames as f
from runtime.executions import Execution, complaint
from runtime.kernel import UMASK, adopt_orphans, give_back_memory, join_mounts, name_process, open_read_only
from runtime.lean import from_json, signal, suppress
from runtime.life import Life
from runtime.order import take
from runtime.streams import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from runtime.order import Order
    from runtime.process import Process
    from runtime.sockets import Socket
    from runtime.visitors import Visitor

#: What is raised by what a visitor says that no command of preg would.
_NONSENSE: Final = (ValueError, LookupError, TypeError, AttributeError)
#: Those of a terminal, which is not ours.
_IGNORED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


class Supervisor:
    """Tells the life of a container what happens, and what visitors want; the first of them has given the order."""

    def __init__(self, order: Order, files: list[int], connection: Socket, frames: f.Frames) -> None:
        held, *network = files
        self._life = Life(order, held, network)
        self._visitors = self._life.visitors
        self._first = self._visitors.admit(connection, frames)
        self._first.attached = order.attach
        self._signals = _catch_signals()

    def run(self) -> None:
        """Supervise until the container has ended for good."""
        failure = self._life.begin()
        if failure is not None:
            self._first.send_last(f.FAILED, failure)
            return
        self._first.send(f.STARTED)
        # What it took to begin is not needed again, and there may be a thousand of us.
        give_back_memory()
        while not self._life.over:
            self._turn()

    def _turn(self) -> None:
        """Wait until something happens, and deal with it."""
        due = self._life.due()
        for file, events in self._poll().poll(None if due is None else max(0.0, due - time.monotonic()) * 1000):
            if not self._life.over:
                self._serve(file, events)
        if not self._life.over:
            self._life.wake()

    def _poll(self) -> select.poll:
        """Give what waits; whoever comes is served before those whose numbers they may be given."""
        poll = select.poll()
        poll.register(self._visitors.door, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        for process in self._processes:
            process.streams.register(poll, held_up=self._visitors.hold_up(process))
        self._visitors.register(poll)
        return poll

    @property
    def _processes(self) -> list[Process]:
        return [self._life.process, *self._life.executions.running]

    def _serve(self, file: int, events: int) -> None:
        if file == self._signals:
            self._take_signals()
        elif file == self._visitors.door.fileno():
            self._visitors.admit(self._visitors.door.accept(), f.Frames())
        else:
            for process in self._processes:
                if file in process.streams.files:
                    self._relay(process, file, events)
                    return
            visitor = self._visitors.at(file)
            if visitor is not None:
                self._attend(visitor, events)

    def _take_signals(self) -> None:
        for number in set(os.read(self._signals, 512)):
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGTERM:  # the host goes down
                self._life.cut_off()

    def _reap(self) -> None:
        """Take note of every child that has ended; the container's own children come to us only when it has."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code
            if pid == self._life.process.pid:
                self._life.end(code)
            else:
                self._life.executions.reap(pid, code)

    def _relay(self, process: Process, file: int, events: int) -> None:
        printed = process.relay(file, events)
        if printed is None:
            return
        if isinstance(process, Execution):
            process.tell(*printed)
        else:
            self._life.print(*printed)

    # What visitors want

    def _attend(self, visitor: Visitor, events: int) -> None:
        try:
            visitor.flush()
            if events & ~select.POLLOUT:
                data = visitor.connection.recv(PIECE)
                if not data:
                    self._visitors.drop(visitor)
                    return
                for kind, content in visitor.frames.feed(data):
                    self._answer(visitor, kind, content)
        except (OSError, *_NONSENSE):  # it is gone, or talks so
            self._visitors.drop(visitor)

    def _answer(self, visitor: Visitor, kind: int, content: bytes) -> None:
        process = visitor.process
        if kind == f.ATTACH:
            visitor.attached = True
        elif kind == f.STDIN:
            process.streams.type(content, ends=not content and process.stdin_once)
        elif kind == f.RESIZE:
            process.resize(*f.read_size(content))
        elif kind == f.SIGNAL:
            (process if isinstance(process, Execution) else self._life).signal(int(content))
        elif kind in (f.STOP, f.RESTART):
            self._stop(visitor, *(int(word) for word in content.split()), restart=kind == f.RESTART)
        elif kind == f.EXEC:
            self._execute(visitor, from_json(content))
        elif kind == f.LEAVE:
            visitor.left = True

    def _stop(self, visitor: Visitor, number: int, seconds: int, *, restart: bool) -> None:
        if restart:
            self._visitors.let_wait(visitor)
        self._life.stop(number, seconds, restart=restart)

    def _execute(self, visitor: Visitor, request: dict[str, Any]) -> None:
        try:
            if not self._life.running:
                raise ProcessLookupError("the container is not running")
            visitor.process = self._begin(visitor, request)
        except OSError as error:
            visitor.send(f.FAILED, complaint(str(error)))

    def _begin(self, visitor: Visitor, request: dict[str, Any]) -> Execution:
        def listen(kind: int, content: bytes) -> None:
            more = {"execID": execution.id}
            if kind == f.STARTED:
                self._life.note(f"exec_start: {execution.command}", **more)
            elif kind == f.EXIT:
                self._life.note("exec_die", **more, exitCode=content.decode())
            if visitor in self._visitors:
                visitor.send(kind, content)

        execution = self._life.executions.start(request["process"], listen, stdin=request["stdin"])
        self._life.note(f"exec_create: {execution.command}", execID=execution.id)
        return execution


def main(connection: Socket) -> None:
    """Wait for an order, and carry it out."""
    frames = f.Frames()
    received = take(connection, frames)
    if received is None:
        return  # who would have given it has thought better of it
    order, files = received
    mounts = files.pop(1)
    join_mounts(mounts)
    os.close(mounts)
    with suppress(OSError):
        # From where no container can write to it: crun makes itself such a mount, and begins once more in there, unless
        # it is in one (crun, src/libcrun/cloned_binary.c).
        order = order.executing(f"/proc/self/fd/{open_read_only(order.engine[0])}")
    if order.network:
        # By this path the engine finds it, and everybody else.
        os.symlink(f"/proc/{os.getpid()}/fd/{files[1]}", f"{order.state}/containers/{order.identifier}/netns")
    if order.in_hub:
        os.symlink(f"/proc/{os.getpid()}/fd/{files[2]}", f"{order.state}/containers/{order.identifier}/hub")
    _leave(order)
    adopt_orphans()
    Supervisor(order, files, connection, frames).run()


def _leave(order: Order) -> None:
    """Keep nothing of the command that has hired us: its streams, its directory, its name."""
    null = os.open(os.devnull, os.O_RDWR)
    # What goes wrong with us is no part of what the container prints.
    trouble = os.open(f"{order.state}/containers/{order.identifier}/trouble", os.O_WRONLY | os.O_CREAT, 0o600)
    for number, file in enumerate((null, null, trouble)):
        os.dup2(file, number)
    os.close(null)
    os.close(trouble)
    os.chdir("/")
    os.umask(UMASK)
    # What the command was called with is for nobody to read as long as the container runs.
    name_process(f"preg supervisor {order.identifier}")


def _catch_signals() -> int:
    """Give a file from which the numbers of signals are read."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(writes)
    return reads
