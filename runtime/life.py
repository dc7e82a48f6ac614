"""The life of a container, from its start to its last end: its process, its log, its exit status and its restarts."""

from __future__ import annotations

import os
import time

from runtime import cgroup, remains
from runtime import frames as f
from runtime.clients import Clients
from runtime.container import EXITED, RESTARTING, RUNNING, State
from runtime.containers import Containers
from runtime.errors import Damaged, Fault, in_words
from runtime.events import record
from runtime.executions import Executions, complaint
from runtime.init_layer import check_root
from runtime.kernel import MNT_DETACH, join_mounts, opened_mounts, unmount
from runtime.lean import from_json, signal, suppress
from runtime.log import LogWriter
from runtime.process import Process
from runtime.removal import remove_tree
from runtime.restart import is_due, next_delay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.container import HealthCheck, Restart
    from runtime.executions import Listener
    from runtime.health import Monitor
    from runtime.order import Order


class Life:
    """One container, and its clients.

    ``held`` is the lock on it, which is ours, and ``network`` are the files that keep its network and published ports.
    ``host`` are the mounts of the host, if there are volumes among them.
    """

    def __init__(self, order: Order, held: int, network: list[int], host: tuple[int, int] | None) -> None:
        self._order = order
        self._held = held
        self._network = network
        self._host = host
        self._containers = Containers(order.home, order.state)
        self._container = self._containers.get(order.identifier)
        self._description = self._container.describe()
        self._state = State(finished=self._container.state().finished)
        policy = self._description.log
        self._log = (
            None
            if policy.driver == "none"
            else LogWriter(f"{self._container.directory}/output.log", policy.size, policy.files)
        )
        self.process = Process(
            self._container.running,
            self._print,
            terminal=self._description.terminal,
            stdin=self._description.stdin,
            stdin_once=self._description.stdin_once,
        )
        self.executions = Executions(self._container.running, order.identifier, order.engine, order.environ)
        self.clients = Clients(self._container.running, self.process)
        self.over = False
        """It has ended for good."""
        self._began = 0.0
        self._delay = 0.0
        self._wake_at: float | None = None
        """When to kill a container that was asked to end, or to start one that has ended."""
        self._stopping = False
        """A person wants it to end, if only to be started again."""
        self._monitor: Monitor | None = None
        self._engine = 0
        """The engine's process while it starts the container."""
        self._started: Callable[[bytes | None], None] = self._end_delayed_start
        """Is told when it has, or why it could not."""
        self._broken_off = False
        self._put_off: list[Callable[[], None]] = []
        self._joined: list[int] = []
        """Namespaces of other containers."""

    @property
    def starting(self) -> int:
        """The engine's process that starts the container now; 0 if none does."""
        return self._engine

    @property
    def running(self) -> bool:
        """Whether it has started, and has not ended."""
        return self._state.status == RUNNING and not self._engine

    @property
    def frozen(self) -> bool:
        """Whether its processes are stopped where they are."""
        return cgroup.is_frozen(self._container.group)

    # Its beginning

    def begin(self, started: Callable[[bytes | None], None]) -> None:
        """Start the container for the first time, and tell when it has, or why it could not; then all is over."""

        def tell(failure: bytes | None) -> None:
            if failure is not None:
                self.over = True
                self._put_away()
                os.close(self._held)
            started(failure)

        self._start(tell)

    def _start(self, started: Callable[[bytes | None], None]) -> None:
        """Have the engine start the container, and tell when it has, or what it says why it could not."""
        self._started = started
        try:
            check_root(f"{self._container.directory}/root")
            self._join_namespaces()
            cgroup.hasten()
            self._engine = self.process.launch(self._order.run, self._container.id, self._order.environ)
        except (Fault, OSError) as error:
            self.process.give_up()
            started(complaint(in_words(error)))

    def _join_namespaces(self) -> None:
        """Find again the namespaces of other containers that this one is to be in. Raises Fault."""
        if self._description.shares_namespaces:
            from runtime.shared_namespaces import open_namespaces  # noqa: PLC0415 - a rare wish

            opened = open_namespaces(self._containers, self._container, self._description.wishes)
            while self._joined:
                os.close(self._joined.pop())
            self._joined = opened

    def put_off(self, want: Callable[[], None]) -> None:
        """Do what is wanted of the container as soon as it runs; not at all if it cannot be started."""
        self._put_off.append(want)

    def break_off(self) -> None:
        """End the engine that starts the container, which may hang; what it has made so far is removed then."""
        self._broken_off = True
        with suppress(ProcessLookupError):
            os.kill(self._engine, signal.SIGKILL)

    def end_start(self, status: int) -> None:
        """The engine has ended, which was to start the container."""
        self._engine = 0
        put_off, self._put_off = self._put_off, []
        failure = self._take_over() if status == 0 else self._give_up()
        self._started(failure)
        if failure is None:
            for want in put_off:
                want()

    def _give_up(self) -> bytes:
        """End what the engine has made so far, and give what it says."""
        failure = self.process.give_up()
        remains.remove_half_made(self._order)
        return complaint("it was ended while it was being started") if self._broken_off else failure

    def _take_over(self) -> bytes | None:
        """Take note that the container runs; give what its engine says if it does not."""
        if not self.process.take_over():
            return self._give_up()
        self._began = time.monotonic()
        started = self._state._replace(
            status=RUNNING, pid=self.process.pid, exit_code=0, error="", started=time.time(), oom_killed=False
        )
        try:
            self._container.write_state(started)
        except OSError as error:  # so nobody could find it
            self._give_up()
            return complaint(f"that it runs cannot be written down: {error.strerror}: {error.filename}")
        self._state = started
        self._note_volumes("mount")
        self.note("start")
        if self._description.health is not None and not self._description.health.off:
            self._watch(self._description.health)
        return None

    def _watch(self, check: HealthCheck) -> None:
        from runtime.health import Monitor  # noqa: PLC0415 - most containers need none, and each has a supervisor

        with open(f"{self._container.directory}/config.json", encoding="utf-8") as file:
            described = {**from_json(file.read())["process"], "args": check.command, "terminal": False}

        def start(listener: Listener) -> Callable[[], None]:
            execution = self.executions.start(described, listener, stdin=False)
            return execution.kill

        def report(*, changed: bool) -> None:
            self._set(health=monitor.describe())
            if changed:
                self.note(f"health_status: {monitor.status}")

        self._monitor = monitor = Monitor(check, start, report)
        self._set(health=monitor.describe())

    # What happens to it

    def _print(self, kind: int, data: bytes) -> None:
        """Take note of what the container prints."""
        self._write_log(lambda log: log.write(b"stderr" if kind == f.STDERR else b"stdout", data))
        self.clients.show(kind, data)

    def _write_log(self, write: Callable[[LogWriter], None]) -> None:
        """Write to the log; a disk that is full must not end the container."""
        try:
            if self._log is not None:
                write(self._log)
        except OSError as error:
            said = f"output was lost: the log could not be written: {error.strerror}"
            if self._state.error != said:
                self._set(error=said)

    def due(self) -> float | None:
        """Give when ``wake`` is to be called (monotonic), if it is at all."""
        times = [] if self._wake_at is None else [self._wake_at]
        if self._monitor is not None:
            times.append(self._monitor.due)
        return min(times, default=None)

    def wake(self) -> None:
        """Do what is due by now."""
        if self._wake_at is not None and time.monotonic() >= self._wake_at:
            self._wake_at = None
            if self.running:
                self._signal(signal.SIGKILL)
            else:
                self._start(self._end_delayed_start)
        if self._monitor is not None and time.monotonic() >= self._monitor.due:
            self._monitor.wake(frozen=self.frozen)

    def signal(self, number: int) -> None:
        """Send the container a signal, as a person wants; one that waits to be started again has ended with it."""
        if self._state.status == RESTARTING or number in (signal.SIGKILL, self._description.stop_signal):
            self._set(stopped=True)
        if self._state.status == RESTARTING:
            self._stop(number, -1)
        else:
            self._signal(number)

    def stop(self, number: int, seconds: int, *, restart: bool) -> None:
        """End the container as a person wants: by a signal, and kill it later if that is to be (-1: never)."""
        self._stopping = True
        if not restart:
            self._set(stopped=True)
        self._stop(number, seconds)

    def freeze(self, *, frozen: bool) -> str:
        """Stop all its processes where they are, or let them go on; return what it is if that cannot be."""
        if not self.running:
            return "is not running"
        if self.frozen == frozen:
            return "is paused already" if frozen else "is not paused"
        if not cgroup.set_frozen(self._container.group, frozen=frozen):
            return "cannot be paused: this host has no control group to do it with"
        self.note("pause" if frozen else "unpause")
        return ""

    def cut_off(self) -> None:
        """End the container with its host, for it to be started again with that."""
        if self._engine:
            self.put_off(self.cut_off)
            return
        self._set(cut_off=True)
        self._stop(self._description.stop_signal, self._description.stop_timeout)

    def _stop(self, number: int, seconds: int) -> None:
        if self._state.status == RESTARTING:
            self._wake_at = None
            if self.clients.want_restart:
                self._start_again()
            else:
                self._finish(status=EXITED)
            return
        cgroup.set_frozen(self._container.group, frozen=False)
        self._signal(number)
        if seconds >= 0:
            self._wake_at = time.monotonic() + seconds

    def _signal(self, number: int) -> None:
        if number == signal.SIGKILL and self.frozen:
            cgroup.set_frozen(self._container.group, frozen=False)
        self.process.signal(number)
        self.note("kill", signal=str(int(number)))

    # Its end

    def end(self, code: int) -> None:
        """The container has ended: start it again, now or later, or put it away."""
        self._wake_at = self._monitor = None
        self.process.drain()
        self.executions.end()
        self._write_log(LogWriter.flush)
        oom_killed = cgroup.oom_kills(self._container.group) > 0
        remains.remove(self._order)
        self._state = self._state._replace(exit_code=code, pid=0, finished=time.time(), oom_killed=oom_killed)
        if oom_killed:
            self.note("oom")
        self.note("die", exitCode=str(code))
        self._note_volumes("unmount")
        if self._stopping:
            self.note("stop")
        if self.clients.want_restart:
            self._start_again()
        elif not self._state.cut_off and is_due(self._restart_policy(), self._state):
            self._delay = next_delay(self._delay, time.monotonic() - self._began)
            self._wake_at = time.monotonic() + self._delay
            self._set(status=RESTARTING, restarts=self._state.restarts + 1)
            self.clients.send_exit(code)
        else:
            self._finish(status=EXITED)

    def _restart_policy(self) -> Restart:
        """Give the policy as it is by now: 'preg update' may have changed it."""
        with suppress(FileNotFoundError, Damaged):
            return self._container.describe().restart
        return self._description.restart

    def _start_again(self) -> None:
        """Start it again at once, as somebody wants."""
        self.clients.send_exit(self._state.exit_code)
        self._stopping = False
        self._state = self._state._replace(stopped=False, restarts=0)
        self._start(self._end_start_again)

    def _end_start_again(self, failure: bytes | None) -> None:
        self.clients.report_restart(failure)
        if failure is None:
            self.note("restart")
        else:
            self._finish(status=EXITED, exit_code=128, error=_said(failure))

    def _end_delayed_start(self, failure: bytes | None) -> None:
        """Take note that it is started again after the delay that its restart policy demands, or cannot be."""
        if failure is not None:
            self._finish(status=EXITED, exit_code=125, error=_said(failure))

    def _finish(self, **changes: Any) -> None:
        """Put it away for good; with ``--rm`` nothing of it is left."""
        self._set(**changes)
        self.over = True
        self._put_away()
        if self._description.remove:
            self.unmount()
            self._unmount_parts()
            self._containers.forget(self._container, volumes=True)
            # Nobody has to wait until what it has written is deleted.
            self.clients.send_exit(self._state.exit_code)
            remove_tree(self._container.directory)
        os.close(self._held)
        self.clients.send_exit(self._state.exit_code)

    def unmount(self) -> None:
        """Unmount its root, for it may be started again while clients still read, and what is of other containers."""
        for name in ("root", "shm"):
            with suppress(OSError):  # a mount of its own, or none at all
                unmount(f"{self._container.directory}/{name}", MNT_DETACH)

    def _unmount_parts(self) -> None:
        """Unmount parts of volumes, which are not to be deleted with the container."""
        if any(
            mount.get("subpath") or mount["kind"] == "image" for mount in self._description.wishes.get("mounts", ())
        ):
            from runtime.parts import unmount_parts  # noqa: PLC0415 - few containers have any

            unmount_parts(self._container)

    def _put_away(self) -> None:
        self.clients.listener.close()
        if self._log is not None:
            self._log.close()
        if self._order.network:
            from runtime.network.entries import release  # noqa: PLC0415 - not to be held while the container runs

            with suppress(OSError):  # then 'preg system check' finds it
                release(self._order.home, self._order.state, self._container.id)
        if self._host is not None:
            self._unmount_volumes(*self._host)
        remove_tree(self._container.running)
        # Whoever is told of the end may want the same ports at once.
        for file in self._network:
            os.close(file)

    def _unmount_volumes(self, *host: int) -> None:
        with opened_mounts() as ours, suppress(OSError, Fault):  # the next command that starts one mends it
            try:
                join_mounts(*host)
                self._containers.unmount_volumes(self._container)
            finally:
                join_mounts(*ours)

    # What is written down

    def note(self, action: str, **more: str) -> None:
        """Write down what happens to the container."""
        with suppress(FileNotFoundError, Damaged):
            self._containers.note(self._container, action, more)

    def _note_volumes(self, action: str) -> None:
        """Write down what happens to the volumes of the container."""
        for mount in self._description.wishes.get("mounts", ()):
            if mount["kind"] == "volume":
                attributes = {"container": self._container.id, "driver": "local"}
                if action == "mount":
                    writable = "false" if {"ro", "rro"} & {*mount["options"]} else "true"
                    attributes |= {"destination": mount["target"], "propagation": "", "read/write": writable}
                record(self._order.home, action, mount["source"], attributes, kind="volume")

    def _set(self, **changes: Any) -> None:
        """Write down how it fares; what cannot be is no reason for it to end, and is written with the next change."""
        self._state = self._state._replace(**changes)
        try:
            self._container.write_state(self._state)
        except OSError as error:
            os.write(2, f"{error}\n".encode(errors="replace"))


def _said(failure: bytes) -> str:
    return failure.decode(errors="replace").strip()
