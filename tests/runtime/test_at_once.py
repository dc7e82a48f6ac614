"""Commands for one container at once: what one has decided before it had to wait is decided again behind that."""

import contextlib
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parts.process import PATIENCE, ending, kill, parent
from tests.runtime.conftest import Preg

Names = Callable[[], str]


class Gate:
    """An OCI runtime that starts no container before the gate is opened."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.engine = folder / Path(engine).name
        self._gate = folder / "gate"
        self._closed = folder / "closed"
        self._closed.touch()
        os.mkfifo(self._gate)
        self.engine.write_text(
            f'#!/bin/sh\ncase "$*" in *" run "*) if test -e {self._closed}; then read -r _ < {self._gate}; fi;; esac\n'
            f'exec {engine} "$@"\n'
        )
        self.engine.chmod(0o755)

    @contextlib.contextmanager
    def reached(self) -> Iterator[Callable[[], None]]:
        """Wait until somebody is at the gate: what opens it, for good."""
        file = os.open(self._gate, os.O_WRONLY)

        def open_it() -> None:
            self._closed.unlink()
            os.write(file, b"\n")

        try:
            yield open_it
        finally:
            os.close(file)


@pytest.fixture
def gate(tmp_path: Path, runnable: str) -> Gate:
    return Gate(tmp_path, runnable)


@contextlib.contextmanager
def begun(host: Preg, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on while others begin."""
    command = host.command(*words)
    with subprocess.Popen(
        command, env=host.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end of a command: its status, and what it said."""
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


def wait_until_idle(process: subprocess.Popen[str]) -> None:
    """Wait until a command has ended, or does nothing but wait."""
    worked, still = -1, 0
    while process.poll() is None and still < 10:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
        with contextlib.suppress(FileNotFoundError):
            now = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
            worked, still = now, still + 1 if now == worked else 0


def state(host: Preg, name: str) -> str:
    return host.ok("inspect", "-f", "State.Status", name).strip()


SCRIPT = "trap 'exit 9' TERM; echo started; while :; do sleep 0.05; done"


@pytest.mark.parametrize(
    ("words", "status", "then", "times"),
    [
        (("start", "NAME"), 0, "running", 1),
        (("stop", "-t", "0", "NAME"), 0, "exited", 1),
        (("kill", "NAME"), 0, "exited", 1),
        (("restart", "-t", "0", "NAME"), 0, "running", 2),
        (("pause", "NAME"), 0, "paused", 1),
        (("unpause", "NAME"), 1, "running", 1),
        (("rm", "NAME"), 1, "running", 1),
        (("exec", "NAME", "true"), 0, "running", 1),
        (("rename", "NAME", "NAME-new"), 0, "running", 1),
    ],
)
def test_what_is_asked_of_a_container_that_is_being_started_is_done_when_it_is(  # noqa: PLR0917 - fixtures
    words: tuple[str, ...],
    status: int,
    then: str,
    times: int,
    host: Preg,
    image: str,
    names: Names,
    gate: Gate,
) -> None:
    name = names()
    identifier = host.ok(
        "create", "--name", name, "--network", "none", "--runtime", str(gate.engine), image, "sh", "-c", SCRIPT
    ).strip()
    asked = [word.replace("NAME", name) for word in words]
    with begun(host, "start", name) as first, gate.reached() as open_it, begun(host, *asked) as second:
        wait_until_idle(second)
        open_it()
        assert ended(first)[0] == 0
        code, said = ended(second)
        assert code == status, said
    assert state(host, identifier) == then
    started = ("--filter", f"container={identifier}", "--filter", "event=start")
    assert len(host.ok("events", "--since", "0", "--until", "0s", *started).splitlines()) == times
    host.ok("rm", "-f", identifier)


def test_a_network_is_joined_when_a_container_that_is_being_started_runs(
    host: Preg, image: str, names: Names, gate: Gate
) -> None:
    name, network = names(), names()
    host.ok("network", "create", network)
    host.ok("create", "--name", name, "--runtime", str(gate.engine), image, "sleep", "1000")
    asked = ("network", "connect", network, name)
    with begun(host, "start", name) as first, gate.reached() as open_it, begun(host, *asked) as second:
        wait_until_idle(second)
        open_it()
        assert (ended(first)[0], ended(second)) == (0, (0, ""))
    assert len(host.ok("exec", name, "ls", "/sys/class/net").split()) == 3
    host.ok("rm", "-f", name)
    host.ok("network", "rm", network)


def test_a_start_that_hangs_is_ended_by_force(host: Preg, image: str, names: Names, gate: Gate) -> None:
    name = names()
    host.ok("create", "--name", name, "--network", "none", "--runtime", str(gate.engine), image, "true")
    with begun(host, "start", name) as first, gate.reached():
        host.ok("rm", "-f", name)
        code, said = ended(first)
        assert (code, "ended while it was being started" in said) == (1, True)
    assert host.run("inspect", name).returncode == 1
    assert host.ok("system", "check") == "all is well\n"


def test_a_start_whose_command_was_killed_can_be_ended(host: Preg, image: str, names: Names, gate: Gate) -> None:
    name = names()
    words = ("run", "--name", name, "--network", "none", "--runtime", str(gate.engine), image, "true")
    with begun(host, *words) as first, gate.reached():
        supervisor = next(
            int(path.name)
            for path in Path("/proc").glob("[0-9]*")
            if path.joinpath("cmdline").read_bytes().startswith(b"preg supervisor")
            and parent(int(path.name)) == first.pid
        )
        kill(first.pid)
        with ending(supervisor):
            host.ok("rm", "-f", name)
    assert host.ok("system", "check") == "all is well\n"


def test_many_starts_at_once_are_one(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("create", "--name", name, "--network", "none", image, "sh", "-c", SCRIPT)
    with contextlib.ExitStack() as stack:
        starts = [stack.enter_context(begun(host, "start", name)) for _ in range(8)]
        assert [ended(start) for start in starts] == [(0, f"{name}\n")] * 8
    with host.following("logs", "-f", name) as lines:
        assert next(lines) == "started"
    host.ok("stop", name)
    assert (state(host, name), host.ok("logs", name)) == ("exited", "started\n")


def test_stops_of_several_go_on_side_by_side(host: Preg, image: str, names: Names) -> None:
    """The first is stopped only when the second has heard of it."""
    one, other = names(), names()
    with_a_file = ("-v", f"{host.home}:/host", "--network", "none", image, "sh", "-c")
    script = f"trap 'touch /host/{one}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    waits = (
        f"trap 'while ! test -e /host/{one}; do sleep 0.05; done; exit' TERM; echo ready; while :; do sleep 0.05; done"
    )
    host.ok("run", "-d", "--name", other, *with_a_file, waits)
    host.ok("run", "-d", "--name", one, *with_a_file, script)
    for name in (one, other):
        with host.following("logs", "-f", name) as lines:
            assert next(lines) == "ready"
    assert host.ok("stop", "-t", "-1", other, one) == f"{other}\n{one}\n"


VERBS = st.sampled_from(
    [
        ("start", "NAME"),
        ("stop", "-t", "0", "NAME"),
        ("kill", "NAME"),
        ("restart", "-t", "0", "NAME"),
        ("pause", "NAME"),
        ("unpause", "NAME"),
        ("rename", "NAME", "NAME-new"),
        ("exec", "NAME", "true"),
        ("rm", "NAME"),
        ("rm", "-f", "NAME"),
    ]
)


def test_whatever_is_asked_at_once_ends_and_leaves_a_container_or_none(host: Preg, image: str, runnable: str) -> None:
    @settings(max_examples=20, deadline=None)
    @given(verbs=st.lists(VERBS, min_size=2, max_size=5), running=st.booleans())
    def check(verbs: list[tuple[str, ...]], running: bool) -> None:
        name = f"test-{uuid.uuid4().hex[:12]}"
        host.ok("create", "--name", name, "--network", "none", "--runtime", runnable, image, "sleep", "1000")
        if running:
            host.ok("start", name)
        with contextlib.ExitStack() as stack:
            commands = [
                stack.enter_context(begun(host, *(word.replace("NAME", name) for word in words))) for words in verbs
            ]
            for words, command in zip(verbs, commands, strict=True):
                code, said = ended(command)
                assert code == 0 or (said.startswith("preg: ") and said.count("\n") == 1), (words, said)
        host.ok("rm", "-f", name, f"{name}-new")
        assert host.left() == []
        assert host.ok("system", "check") == "all is well\n"

    check()
