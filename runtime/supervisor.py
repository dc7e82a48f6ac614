"""The process that stays with a container: it waits for what happens to it, and for what others want of it.

It outlives the command that started it. There is one for every container that runs, and nothing else of preg stays, so
it is small and imports little. It is found by the lock on the container's directory and by a socket.
"""

from __future__ import annotations

import os
import select
import time

from runtime import frames as f
from runtime.errors import in_words
from runtime.executions import Execution, complaint
from runtime.kernel import UMASK, adopt_orphans, give_back_memory, join_mounts, name_process, open_read_only
from runtime.lean import from_json, signal, suppress
from runtime.life import Life
from runtime.order import take
from runtime.streams import Poller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from runtime.clients import Client
    from runtime.order import Order
    from runtime.process import Process
    from runtime.sockets import Socket

#: What is raised by what a client says that no command of preg would.
_NONSENSE: Final = (OSError, ValueError, LookupError, TypeError, AttributeError)
#: What is asked of a container that runs.
_OF_WHAT_RUNS: Final = (f.SIGNAL, f.STOP, f.RESTART, f.FREEZE, f.EXEC)
#: Docker's exit status of a container that could not be started.
_NOT_STARTED: Final = 128
#: Those of a terminal, which is not ours.
_IGNORED: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


class Supervisor:
    """Tells the life of a container what happens, and what clients want; the first of them has given the order."""

    def __init__(
        self, order: Order, files: list[int], connection: Socket, frames: f.Frames, host: tuple[int, int] | None
    ) -> None:
        count = len(files) - len(order.streams)
        held, *network = files[:count]
        self._life = Life(order, held, network, host)
        self._clients = self._life.clients
        self._first = self._clients.add(connection, frames)
        self._first.attach(order.streams, files[count:])
        self._signals = _catch_signals()

    def run(self) -> None:
        """Supervise until the container has ended for good, and all clients have seen its end."""
        self._life.begin(self._tell_started)
        self._clients.settle()
        while not self._life.over:
            self._turn()
        if self._clients:
            self._life.unmount()
        while self._clients:
            self._turn()

    def _tell_started(self, failure: bytes | None) -> None:
        if failure is not None:
            self._first.part(f.FAILED, failure)
            self._clients.send_exit(_NOT_STARTED)
            return
        self._first.tell(f.STARTED)
        # What it took to begin is not needed again, and there may be a thousand of us.
        give_back_memory()

    def _turn(self) -> None:
        """Wait until something happens, and deal with it."""
        poller = Poller()
        poller.add(self._signals, select.POLLIN, self._take_signals)
        if not self._life.over:
            poller.add(self._clients.listener.fileno(), select.POLLIN, self._accept)
            for process in self._processes:
                process.watch(poller, self._clients.backpressure(process))
        self._clients.watch(poller, self._attend)
        due = self._life.due()
        poller.wait(None if due is None else due - time.monotonic())
        self._life.wake()
        self._clients.settle()

    @property
    def _processes(self) -> list[Process]:
        return [self._life.process, *self._life.executions.running]

    def _accept(self, _: int) -> None:
        self._clients.add(self._clients.listener.accept(), f.Frames())

    def _take_signals(self, _: int) -> None:
        for number in set(os.read(self._signals, 512)):
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGTERM and self._life.over:
                self._clients.drop_all()
            elif number == signal.SIGTERM:  # the host goes down
                self._life.cut_off()

    def _reap(self) -> None:
        """Take note of every child that has ended; the container's own children come to us only when it has."""
        while True:
            try:
                # Before it is known what the engine has started nothing else that ends is.
                pid, status = os.waitpid(self._life.starting or -1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            code = code if code >= 0 else 128 - code
            if pid == self._life.starting:
                self._life.end_start(status)
            elif pid == self._life.process.pid:
                self._life.end(code)
            else:
                self._life.executions.reap(pid, code)

    # What clients want

    def _attend(self, client: Client, events: int) -> None:
        if client not in self._clients or not events & ~select.POLLOUT:
            return
        try:
            requests = client.receive()
            if requests is None:
                self._clients.drop(client)
            for kind, content in requests or ():
                self._attempt(client, kind, content)
        except BlockingIOError:
            return
        except (OSError, ValueError):  # it disconnected or sent garbage
            self._clients.drop(client)

    def _attempt(self, client: Client, kind: int, content: bytes) -> None:
        try:
            self._answer(client, kind, content)
        except _NONSENSE:
            self._clients.drop(client)

    def _answer(self, client: Client, kind: int, content: bytes) -> None:
        process = client.process
        if client not in self._clients or client.last_words is not None:
            return
        if self._life.starting and kind in _OF_WHAT_RUNS:
            self._put_off(client, kind, content)
            return
        if kind == f.ATTACH:
            client.attach(from_json(content))
            client.tell(f.DONE)
        elif kind == f.RESIZE:
            process.resize(*f.read_size(content))
        elif kind == f.SIGNAL:
            (process if isinstance(process, Execution) else self._life).signal(int(content))
            client.tell(f.DONE)
        elif kind == f.FREEZE:
            self._freeze(client, frozen=content == b"1")
        elif kind in (f.STOP, f.RESTART):
            self._stop(client, *(int(word) for word in content.split()), restart=kind == f.RESTART)
        elif kind == f.EXEC:
            self._execute(client, from_json(content))
        elif kind == f.LEAVE:
            client.left = True

    def _put_off(self, client: Client, kind: int, content: bytes) -> None:
        """Answer when the container runs; only to end it at once nothing has to be waited for."""
        if kind == f.STOP and content.startswith(b"%d " % signal.SIGKILL):
            self._life.break_off()
        else:
            self._life.put_off(lambda: self._attempt(client, kind, content))

    def _stop(self, client: Client, number: int, seconds: int, *, restart: bool) -> None:
        if restart:
            self._clients.hold_for_restart(client)
        self._life.stop(number, seconds, restart=restart)

    def _freeze(self, client: Client, *, frozen: bool) -> None:
        why_not = self._life.freeze(frozen=frozen)
        client.tell(*((f.REFUSED, why_not.encode()) if why_not else (f.DONE, b"")))

    def _execute(self, client: Client, request: dict[str, Any]) -> None:
        if not self._life.running or self._life.frozen:
            client.part(f.REFUSED, b"is paused" if self._life.running else b"is not running")
            return
        try:
            client.process = self._begin(client, request)
            client.attach(request["streams"])
        except OSError as error:
            client.part(f.FAILED, complaint(in_words(error)))

    def _begin(self, client: Client, request: dict[str, Any]) -> Execution:
        def listen(kind: int, content: bytes) -> None:
            more = {"execID": execution.id}
            if kind == f.STARTED:
                self._life.note(f"exec_start: {execution.command}", **more)
            elif kind == f.EXIT:
                self._life.note("exec_die", **more, exitCode=content.decode())
            if client not in self._clients:
                return
            if kind in (f.STDOUT, f.STDERR):
                client.show(kind, content)
            elif kind == f.STARTED:
                client.tell(kind, content)
            else:
                client.part(kind, content)

        execution = self._life.executions.start(request["process"], listen, stdin=request["stdin"])
        self._life.note(f"exec_create: {execution.command}", execID=execution.id)
        return execution


def main(connection: Socket) -> None:
    """Wait for an order, and carry it out."""
    frames = f.Frames()
    received = take(connection, frames)
    if received is None:
        return  # the command closed the socket without giving one
    order, files = received
    mounts = files[1:3]
    del files[1:3]
    host = _open_mounts() if order.volumes else None
    join_mounts(*mounts)
    for file in mounts:
        os.close(file)
    with suppress(OSError):
        # A script is its interpreter's to open once more; what it executes has to look after itself.
        if not _is_script(order.engine[0]):
            # From where no container can write to it: crun makes itself such a mount, and begins once more in there,
            # unless it is in one (crun, src/libcrun/cloned_binary.c).
            order = order.executing(f"/proc/self/fd/{open_read_only(order.engine[0])}")
    if order.network:
        # By this path the engine finds it, and everybody else.
        os.symlink(f"/proc/{os.getpid()}/fd/{files[1]}", f"{order.state}/containers/{order.identifier}/netns")
    if order.in_hub:
        os.symlink(f"/proc/{os.getpid()}/fd/{files[2]}", f"{order.state}/containers/{order.identifier}/hub")
    _leave(order)
    adopt_orphans()
    Supervisor(order, files, connection, frames, host).run()


def _open_mounts() -> tuple[int, int]:
    """Open the mounts of the host, to come back to when the container has ended."""
    return os.open("/proc/self/ns/mnt", os.O_RDONLY), os.open("/", os.O_PATH | os.O_DIRECTORY)


def _is_script(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


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
