"""The processes that run in a container beside its own: those of ``preg exec``, and health checks."""

from __future__ import annotations

import os

from runtime import frames as f
from runtime.lean import signal, suppress, to_json
from runtime.process import Process
from runtime.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    #: Is told what becomes of a process, as a client of its supervisor is: a kind and content.
    Listener = Callable[[int, bytes], None]


def complaint(text: str) -> bytes:
    """Say something as an engine says it in its log."""
    return to_json({"level": "error", "msg": text}).encode()


class Execution(Process):
    """A process beside the container's own."""

    def __init__(self, folder: str, described: Mapping[str, Any], listener: Listener, *, stdin: bool) -> None:
        super().__init__(folder, self.tell, terminal=bool(described.get("terminal")), stdin=stdin, stdin_once=True)
        self.engine = 0
        """The engine's process, until it has started this one."""
        self.id = os.path.basename(folder)
        self.command = " ".join(described["args"])
        self._listener = listener
        self._killed = False

    def kill(self) -> None:
        """End it, if need be as soon as the engine has started it."""
        self._killed = True
        self.signal(signal.SIGKILL)

    def begin(self) -> None:
        """Take note that the engine has started it."""
        self.engine = 0
        if self._killed:
            self.kill()
        self.tell(f.STARTED, b"%d" % self.pid)

    def tell(self, kind: int, content: bytes = b"") -> None:
        """Tell whoever listens, if they are still there."""
        with suppress(OSError):
            self._listener(kind, content)

    def abandon(self, *, hang_up: bool) -> None:
        """Go on without a client; a terminal that is hung up ends what runs on it."""
        if self.terminal and hang_up:
            self.streams.close()


class Executions:
    """Those of one container. ``words`` are the engine's for starting one."""

    def __init__(self, folder: str, identifier: str, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._identifier = identifier
        self._words = words
        self._environ = environ
        self._all: list[Execution] = []
        self._unknown: dict[int, int] = {}

    @property
    def running(self) -> list[Execution]:
        """Those that the engine has started."""
        return [execution for execution in self._all if not execution.engine]

    def __iter__(self) -> Iterator[Execution]:
        return iter(list(self._all))

    def start(self, described: Mapping[str, Any], listener: Listener, *, stdin: bool) -> Execution:
        """Have the engine start a process (runtime-spec, config.md, "Process"). Raises OSError."""
        execution = Execution(f"{self._folder}/{os.urandom(32).hex()}", described, listener, stdin=stdin)
        words = [*self._words, "--log", f"{execution.folder}/log", "exec", "--detach"]
        words += ["--process", f"{execution.folder}/process.json"]
        os.mkdir(execution.folder, 0o700)
        try:
            with open(f"{execution.folder}/process.json", "w", encoding="utf-8") as file:
                file.write(to_json(described))
            execution.engine = execution.launch(words, self._identifier, self._environ)
        except OSError:
            execution.give_up()
            remove_tree(execution.folder)
            raise
        self._all.append(execution)
        return execution

    def reap(self, pid: int, code: int) -> None:
        """Take note that a child has ended, which is one of these or its engine."""
        known = next((each for each in self if pid in (each.engine, each.pid)), None)
        if known is None:
            # Of a process and its engine, which end at once, either may be seen first.
            self._unknown[pid] = code
        elif pid == known.pid:
            self._finish(known, code)
        elif code or not known.take_over():
            failure = known.give_up()
            self._forget(known)
            known.tell(f.FAILED, failure)
        else:
            known.begin()
            if known.pid in self._unknown:
                self._finish(known, self._unknown[known.pid])
        if not any(each.engine for each in self):
            self._unknown.clear()

    def _finish(self, execution: Execution, code: int) -> None:
        execution.drain()
        # Whoever is told may look at once for what it has left.
        self._forget(execution)
        execution.tell(f.EXIT, b"%d" % code)

    def end(self) -> None:
        """End all: the container has ended."""
        for execution in self:
            execution.signal(signal.SIGKILL)
            if execution.engine:
                execution.give_up()
                execution.tell(f.FAILED, complaint("the container has ended meanwhile"))
            else:
                execution.drain()
                execution.tell(f.EXIT, b"%d" % (128 + signal.SIGKILL))
            self._forget(execution)

    def _forget(self, execution: Execution) -> None:
        self._all.remove(execution)
        with suppress(OSError):
            remove_tree(execution.folder)
