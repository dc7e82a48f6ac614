"""The process that stays with a container: it owns its streams, its log, its exit status and its restart policy.

It outlives the command that started it. There is one for every container that runs, and nothing else of preg stays, so
it is small and imports little. It is found by the lock on the container's directory and by a socket.
"""

from __future__ import annotations

import os
import select
import time

from runtime import cgroup
from runtime import frames as f
from runtime.container import EXITED, RESTARTING, RUNNING, State, reachable
from runtime.containers import Containers
from runtime.errors import Damaged
from runtime.executions import Execution, Executions, complaint
from runtime.kernel import (
    MNT_DETACH,
    adopt_orphans,
    give_back_memory,
    join_mounts,
    name_process,
    open_read_only,
    unmount,
)
from runtime.lean import from_json, signal, suppress
from runtime.log import LogWriter
from runtime.order import Order, take
from runtime.process import Process, spawn
from runtime.removal import remove_tree
from runtime.restart import is_due, next_delay
from runtime.sockets import Socket
from runtime.streams import PIECE
from runtime.visitor import Visitor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from runtime.container import Container, HealthCheck
    from runtime.executions import Listener
    from runtime.health import Monitor

#: What is raised by what a visitor says that no command of preg would.
_NONSENSE: Final = (ValueError, LookupError, TypeError, AttributeError)
#: Those of a terminal, which is not ours.
_IGNORED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


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
        policy = self._description.log
        self._log = (
            None
            if policy.driver == "none"
            else LogWriter(f"{self._container.directory}/output.log", policy.size, policy.files)
        )
        self._process = Process(
            self._container.running,
            terminal=self._description.terminal,
            stdin=self._description.stdin,
            stdin_once=self._description.stdin_once,
        )
        self._executions = Executions(self._container.running, order.identifier, order.engine, order.environ)
        self._began = 0.0
        self._delay = 0.0
        self._wake_at: float | None = None
        """When to kill a container that was asked to end, or to start one that has ended."""
        self._stopping = False
        """A person wants it to end, if only to be started again."""
        self._restarters: list[Visitor] = []
        self._monitor: Monitor | None = None
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
        # What it took to begin is not needed again, and there may be a thousand of us.
        give_back_memory()
        while not self._over:
            self._turn()

    # The life of the container

    def _start(self) -> bytes | None:
        """Start the container; give what its engine says if that fails."""
        cgroup.hasten()
        engine = self._process.launch(self._order.run, self._container.id, self._order.environ)
        if os.waitpid(engine, 0)[1] or not self._process.take_over():
            failure = self._process.give_up()
            self._delete_by_engine()
            with suppress(OSError):  # what an engine that was killed knows nothing of
                cgroup.kill(self._container.id)
                cgroup.remove(self._container.id)
                remove_tree(self._order.remains)
            return failure
        self._began = time.monotonic()
        self._set(status=RUNNING, pid=self._process.pid, started=time.time(), finished=0.0, oom_killed=False)
        self._note("start")
        if self._description.health is not None:
            self._watch(self._description.health)
        return None

    def _watch(self, check: HealthCheck) -> None:
        from runtime.health import Monitor  # noqa: PLC0415 - most containers need none, and each has a supervisor

        with open(f"{self._container.directory}/config.json", encoding="utf-8") as file:
            described = {**from_json(file.read())["process"], "args": check.command, "terminal": False}

        def start(listener: Listener) -> Callable[[], None]:
            execution = self._executions.start(described, listener, stdin=False)
            return lambda: execution.signal(signal.SIGKILL)

        def report(*, changed: bool) -> None:
            self._set(health=monitor.describe())
            if changed:
                self._note(f"health_status: {monitor.status}")

        self._monitor = monitor = Monitor(check, start, report)
        self._set(health=monitor.describe())

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
            if pid == self._process.pid:
                self._end(code)
            else:
                self._executions.reap(pid, code)

    def _end(self, code: int) -> None:
        """The container has ended: start it again later, or put it away."""
        self._wake_at = self._monitor = None
        for kind, data in self._process.drain():
            self._print(kind, data)
        self._executions.end()
        self._write_log(LogWriter.flush)
        oom_killed = cgroup.oom_kills(self._container.id) > 0
        self._clean_up_after_engine()
        self._state = self._state._replace(exit_code=code, pid=0, finished=time.time(), oom_killed=oom_killed)
        if oom_killed:
            self._note("oom")
        self._note("die", exitCode=str(code))
        if self._stopping:
            self._note("stop")
        if self._restarters:
            self._start_again()
        elif not self._state.cut_off and is_due(self._description.restart, self._state):
            self._delay = next_delay(self._delay, time.monotonic() - self._began)
            self._wake_at = time.monotonic() + self._delay
            self._set(status=RESTARTING, restarts=self._state.restarts + 1)
            self._say_goodbye()
        else:
            self._set(status=EXITED)
            self._finish()

    def _start_again(self) -> None:
        """Start it again at once, as somebody wants."""
        self._say_goodbye()
        waiting, self._restarters, self._stopping = self._restarters, [], False
        self._state = self._state._replace(stopped=False, restarts=0)
        failure = self._start()
        self._visitors = waiting
        for visitor in waiting:
            with suppress(OSError):
                visitor.send(*((f.STARTED, b"") if failure is None else (f.FAILED, failure)))
        if failure is None:
            self._note("restart")
        else:
            self._set(status=EXITED, exit_code=128, error=failure.decode(errors="replace").strip())
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
            self._containers.forget(self._container, volumes=True)
            # Nobody has to wait until what it has written is deleted.
            self._say_goodbye()
            remove_tree(self._container.directory)
        os.close(self._held)
        self._say_goodbye()

    def _put_away(self) -> None:
        self._listener.close()
        if self._log is not None:
            self._log.close()
        if self._order.network:
            from runtime.network.entries import release  # noqa: PLC0415 - not to be held while the container runs

            with suppress(OSError):  # then 'preg system check' finds it
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
            words = [*self._order.delete, self._container.id]
            os.waitpid(spawn(words, self._order.environ, (null, null, null)), 0)
        finally:
            os.close(null)

    def _signal(self, number: int) -> None:
        if number == signal.SIGKILL and cgroup.is_frozen(self._container.id):
            cgroup.set_frozen(self._container.id, frozen=False)
        self._process.signal(number)
        self._note("kill", signal=str(int(number)))

    def _note(self, action: str, **more: str) -> None:
        with suppress(FileNotFoundError, Damaged):
            self._containers.note(self._container, action, more)

    def _stop(self, number: int, seconds: float) -> None:
        if self._state.status == RESTARTING:
            self._wake_at = None
            if self._restarters:
                self._start_again()
                return
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
        for process in self._processes:
            held_up = any(v.full for v in self._visitors if self._process_of(v) is process)
            process.streams.register(poll, held_up=held_up)
        for visitor in self._visitors:
            reads = select.POLLIN if not self._process_of(visitor).streams.full else 0
            poll.register(visitor.connection, reads | (select.POLLOUT if visitor.outgoing else 0))
        due = [*([] if self._wake_at is None else [self._wake_at]), *([self._monitor.due] if self._monitor else [])]
        left = max(0.0, min(due) - time.monotonic()) * 1000 if due else None
        for file, events in poll.poll(left):
            if not self._over:
                self._serve(file, events)
        if not self._over and self._wake_at is not None and time.monotonic() >= self._wake_at:
            self._wake()
        if not self._over and self._monitor is not None and time.monotonic() >= self._monitor.due:
            self._monitor.wake(frozen=cgroup.is_frozen(self._container.id))

    def _serve(self, file: int, events: int) -> None:
        if file == self._signals:
            self._take_signals()
        elif file == self._listener.fileno():
            self._visitors.append(Visitor(self._listener.accept()))
        else:
            for process in self._processes:
                if file in process.streams.files:
                    self._relay(process, file, events)
                    return
            for visitor in [v for v in self._visitors if v.connection.fileno() == file]:
                self._attend(visitor, events)

    @property
    def _processes(self) -> list[Process]:
        return [self._process, *self._executions.running]

    def _process_of(self, visitor: Visitor) -> Process:
        return visitor.process or self._process

    def _relay(self, process: Process, file: int, events: int) -> None:
        printed = process.relay(file, events)
        if printed is None:
            return
        if isinstance(process, Execution):
            process.tell(*printed)
        else:
            self._print(*printed)

    def _print(self, kind: int, data: bytes) -> None:
        self._write_log(lambda log: log.write(b"stderr" if kind == f.STDERR else b"stdout", data))
        for visitor in list(self._visitors):
            if visitor.attached:
                try:
                    visitor.send(kind, data)
                except OSError:
                    self._drop(visitor)

    def _write_log(self, write: Callable[[LogWriter], None]) -> None:
        """Write to the log; a disk that is full must not end the container."""
        try:
            if self._log is not None:
                write(self._log)
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
        except (OSError, *_NONSENSE):  # it is gone, or talks so
            self._drop(visitor)

    def _answer(self, visitor: Visitor, kind: int, content: bytes) -> None:
        process = self._process_of(visitor)
        if kind == f.ATTACH:
            visitor.attached = True
        elif kind == f.STDIN:
            process.streams.type(content, ends=not content and process.stdin_once)
        elif kind == f.RESIZE:
            process.resize(*f.read_size(content))
        elif kind == f.SIGNAL:
            self._pass_on(process, int(content))
        elif kind in (f.STOP, f.RESTART):
            self._stop_for(visitor, kind, *(int(word) for word in content.split()))
        elif kind == f.EXEC:
            self._execute(visitor, from_json(content))
        elif kind == f.LEAVE:
            visitor.left = True

    def _stop_for(self, visitor: Visitor, kind: int, number: int, seconds: int) -> None:
        self._stopping = True
        if kind == f.RESTART:
            self._visitors.remove(visitor)
            self._restarters.append(visitor)
        else:
            self._set(stopped=True)
        self._stop(number, seconds)

    def _pass_on(self, process: Process, number: int) -> None:
        if process is not self._process:
            process.signal(number)
            return
        if number in (signal.SIGKILL, self._description.stop_signal):
            self._set(stopped=True)
        self._signal(number)

    def _execute(self, visitor: Visitor, request: dict[str, Any]) -> None:
        try:
            if self._state.status != RUNNING:
                raise ProcessLookupError("the container is not running")
            visitor.process = self._begin(visitor, request)
        except OSError as error:
            visitor.send(f.FAILED, complaint(str(error)))

    def _begin(self, visitor: Visitor, request: dict[str, Any]) -> Execution:
        def listen(kind: int, content: bytes) -> None:
            more = {"execID": execution.id}
            if kind == f.STARTED:
                self._note(f"exec_start: {execution.command}", **more)
            elif kind == f.EXIT:
                self._note("exec_die", **more, exitCode=content.decode())
            if visitor in self._visitors:
                visitor.send(kind, content)

        execution = self._executions.start(request["process"], listen, stdin=request["stdin"])
        self._note(f"exec_create: {execution.command}", execID=execution.id)
        return execution

    def _drop(self, visitor: Visitor) -> None:
        if visitor in self._visitors:
            self._visitors.remove(visitor)
            visitor.connection.close()
            if isinstance(visitor.process, Execution):
                visitor.process.abandon(hang_up=not visitor.left)
            elif visitor.attached and self._process.stdin_once:
                self._process.streams.type(b"", ends=True)

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


def main(connection: Socket) -> None:
    """Wait for an order, and carry it out."""
    first = Visitor(connection)
    connection.setblocking(True)
    received = take(connection, first.frames)
    if received is None:
        return  # who would have given it has thought better of it
    order, files = received
    join_mounts(files[1])
    os.close(files[1])
    with suppress(OSError):
        # From where no container can write to it: crun makes itself such a mount, and begins once more in there, unless
        # it is in one (crun, src/libcrun/cloned_binary.c).
        order = order.executing(f"/proc/self/fd/{open_read_only(order.engine[0])}")
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
    os.close(null)
    os.close(trouble)
    os.chdir("/")
    # What the command was called with is for nobody to read as long as the container runs.
    name_process(f"preg supervisor {order.identifier}")
    adopt_orphans()
    Supervisor(order, files[0], first).run()


def _listen(container: Container) -> Socket:
    listener = Socket()
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
