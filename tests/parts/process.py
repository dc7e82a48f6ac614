"""A child process whose lines are read as they come, ended by its own pid."""

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

#: How long something may take that is expected to come: no machine is so busy, and only what fails waits so long.
PATIENCE = 300.0


class Lines:
    """What a process has printed so far, and a way to wait for what it will print."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[str]:
        with self._changed:
            return iter(list(self._lines))

    def wait_for(self, wanted: Callable[[str], bool]) -> str:
        """The first line that `wanted` accepts, among those printed or to come.

        Raises AssertionError with all the output if the process ends, or is silent, before that.
        """
        seen = 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self._lines)
                if self._ended or not self._changed.wait(PATIENCE):
                    output = "\n".join(self._lines)
                    raise AssertionError(f"the awaited line never came; printed was:\n{output}")

    def close(self) -> None:
        self._reader.join()
        self._stream.close()


class Process:
    """A running program; `stdout` and `stderr` are its lines so far."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._child = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert self._child.stdout
        assert self._child.stderr
        self.stdout = Lines(self._child.stdout)
        self.stderr = Lines(self._child.stderr)

    @property
    def pid(self) -> int:
        return self._child.pid

    def stop(self) -> int:
        """Ask the process to end (SIGTERM), wait, and give its exit status."""
        self._child.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for the process to end, and give its exit status."""
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self._close()

    def kill(self) -> int:
        """End the process at once (SIGKILL)."""
        self._child.kill()
        self._child.wait()
        return self._close()

    def _close(self) -> int:
        self.stdout.close()
        self.stderr.close()
        return self._child.returncode


@contextlib.contextmanager
def running(command: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[Process]:
    """A process for the length of a `with`."""
    process = Process(command, env)
    try:
        yield process
    finally:
        process.stop()


def run(
    *command: str, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; whatever its exit status, the caller looks at the result."""
    return subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, errors="replace", check=False)


def output(*command: str, env: Mapping[str, str] | None = None) -> str:
    """The stdout of a program that must succeed; AssertionError shows what it said if not."""
    done = run(*command, env=env)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@contextlib.contextmanager
def ending(pid: int) -> Iterator[None]:
    """For a process that is to end by what is done in the `with`: wait until it has, whosever child it is."""
    file = os.pidfd_open(pid)
    end = select.poll()
    end.register(file, select.POLLIN)
    try:
        yield
        assert end.poll(PATIENCE * 1000), f"the process {pid} goes on"
    finally:
        os.close(file)


def kill(*pids: int) -> None:
    """Kill processes, and wait until they have ended: before that they may hold their locks."""
    with contextlib.ExitStack() as all_of_them:
        for pid in pids:
            all_of_them.enter_context(ending(pid))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


def parent(pid: int) -> int:
    """The parent of a process; of a container's first one it is the supervisor."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
