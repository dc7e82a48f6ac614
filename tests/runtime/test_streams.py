"""The conversation of a command and its supervisor: no stream holds up another, a request or the end."""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.parts.process import PATIENCE, ending, kill, parent
from tests.runtime.conftest import Preg

Names = Callable[[], str]

#: More than all buffers on the way hold, in lines that are numbered.
MUCH = b"".join(b"%07d\n" % number for number in range(400_000))
#: Prints a line when it has begun, and is not to be hurried by whoever reads.
WAITS = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done"


class Attached:
    """A command that is attached to a process, with its three streams in the test's hands."""

    def __init__(self, host: Preg, *words: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(host.command(*words), env=host.environ, stdin=pipe, stdout=pipe, stderr=pipe)
        self.pid = self._process.pid
        self.stdin, self.stdout, self.stderr = map(
            _file, (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self.typed = b""
        self.printed = {self.stdout: b"", self.stderr: b""}
        for file in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(file, False)

    def type(self, data: bytes) -> None:
        """Type as much of it as is taken now."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self.typed += data[: os.write(self.stdin, data)]

    def fill(self) -> None:
        """Type until nothing more is taken."""
        poll = select.poll()
        poll.register(self.stdin, select.POLLOUT)
        while poll.poll(200):
            self.type(MUCH[:65536])

    def read(self, file: int, size: int) -> bool:
        """Read up to so much of what is printed by now; whether there may come more."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(file, size)
            self.printed[file] += data
            return bool(data)
        return True

    def wait_for(self, file: int, text: bytes) -> None:
        """Read until something is printed."""
        poll = select.poll()
        poll.register(file, select.POLLIN)
        while text not in self.printed[file]:
            assert poll.poll(PATIENCE * 1000)
            assert self.read(file, 65536), self.printed

    def signal(self, number: int) -> None:
        """Send a signal to the command."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stop the command where it is, if it has not ended."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def hang_up(self) -> None:
        """Close standard input."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def end(self) -> int:
        """Read to the end: the exit status."""
        poll = select.poll()
        left = {self.stdout, self.stderr}
        for file in left:
            poll.register(file, select.POLLIN)
        while left:
            ready = poll.poll(PATIENCE * 1000)
            assert ready, "the command neither prints nor ends"
            for file, _ in ready:
                if not self.read(file, 65536):
                    left.discard(file)
                    poll.unregister(file)
        return self._process.wait()

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self.hang_up()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        self._process.wait()


def _file(stream: IO[bytes] | None) -> int:
    assert stream is not None
    return stream.fileno()


@contextlib.contextmanager
def attached(host: Preg, *words: str) -> Iterator[Attached]:
    command = Attached(host, *words)
    try:
        yield command
    finally:
        command.close()


@pytest.fixture(params=["run", "exec"])
def shell(request: pytest.FixtureRequest, host: Preg, image: str, names: Names) -> tuple[str, tuple[str, ...]]:
    """A container's name and the words that run a script in it: its own command, or one more."""
    name = names()
    if request.param == "run":
        return name, ("run", "-i", "--name", name, "--network", "none", image, "sh", "-c")
    host.ok("run", "-d", "--name", name, "--network", "none", image, "sleep", "1000")
    return name, ("exec", "-i", name, "sh", "-c")


#: What the process does one after the other, and what is done outside meanwhile.
INSIDE = st.lists(
    st.tuples(st.sampled_from(["out", "err", "in"]), st.sampled_from([1, 3, 20, 40])) | st.just(("close", 0)),
    max_size=6,
)
OUTSIDE = st.lists(
    st.tuples(st.sampled_from(["in", "out", "err"]), st.sampled_from([1, 4096, 65536, 300_000]))
    | st.sampled_from([("stop", 0), ("go on", 0)]),
    max_size=12,
)
#: What a step of the process is about, in bytes.
UNIT = 4096


def script_of(inside: list[tuple[str, int]], status: int) -> str:
    """The shell's words for what the process does."""
    words, at = ["read -r go"], 0
    for what, count in inside:
        if what == "in":
            words.append(f"dd bs={UNIT} count={count} iflag=fullblock >> /drive/read 2> /drive/said")
        elif what == "close":
            words.append("exec < /dev/null")
        else:
            where = ">&2" if what == "err" else ""
            words.append(f"tail -c +{at + 1} /drive/data 2> /drive/said | head -c {count * UNIT} {where}")
            at += count * UNIT
    return "\n".join([*words, f"exit {status}"])


@pytest.mark.parametrize("verb", ["run", "start", "exec", "attach"])
def test_all_that_is_printed_and_the_status_arrive_whatever_both_sides_do(
    verb: str, host: Preg, image: str, runnable: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(MUCH)

        @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
        @given(inside=INSIDE, outside=OUTSIDE, status=st.sampled_from([0, 3]))
        def check(inside: list[tuple[str, int]], outside: list[tuple[str, int]], status: int) -> None:
            (Path(folder) / "read").write_bytes(b"")
            name = f"test-{uuid.uuid4().hex[:12]}"
            try:
                play(host, words_of(verb, name, script_of(inside, status)), inside, outside, status)
                logged = host.run("logs", name)
            finally:
                host.run("rm", "-f", name)
            wanted = sum(count * UNIT for what, count in before_close(inside) if what == "in")
            assert (Path(folder) / "read").read_bytes() == typed[-1][:wanted]
            if verb != "exec":
                assert (logged.stdout.encode(), logged.stderr.encode()) == printed_by(inside)

        typed: list[bytes] = []

        def words_of(verb: str, name: str, script: str) -> tuple[str, ...]:
            own = ("-i", "--name", name, "--network", "none", "--runtime", runnable, "-v", f"{folder}:/drive", image)
            command = ("sh", "-c", script)
            if verb == "run":
                return ("run", *own, *command)
            if verb == "exec":
                host.ok("run", "-d", *own, "sleep", "1000")
                return ("exec", "-i", name, *command)
            host.ok("create", *own, *command)
            if verb == "start":
                return ("start", "-ai", name)
            host.ok("start", name)
            return ("attach", name)

        def play(
            host: Preg,
            words: tuple[str, ...],
            inside: list[tuple[str, int]],
            outside: list[tuple[str, int]],
            status: int,
        ) -> None:
            with attached(host, *words) as command:
                command.type(b"go\n")
                for what, count in outside:
                    do(command, what, count)
                command.signal(signal.SIGCONT)
                command.hang_up()
                assert command.end() == status
                typed.append(command.typed.removeprefix(b"go\n"))
                assert tuple(command.printed.values()) == printed_by(inside)

        check()


def do(command: Attached, what: str, count: int) -> None:
    """Do something outside, as far as it can be done at once."""
    if what == "in":
        command.type(MUCH[:count])
    elif what == "stop":
        command.stop()
    elif what == "go on":
        command.signal(signal.SIGCONT)
    else:
        command.read(command.stdout if what == "out" else command.stderr, count)


def before_close(inside: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """What the process does before it gives its input up."""
    return inside[: inside.index(("close", 0))] if ("close", 0) in inside else inside


def printed_by(inside: list[tuple[str, int]]) -> tuple[bytes, bytes]:
    """What the process prints on either stream."""
    printed, at = {"out": b"", "err": b""}, 0
    for what, count in inside:
        if what in printed:
            printed[what] += MUCH[at : at + count * UNIT]
            at += count * UNIT
    return printed["out"], printed["err"]


def test_much_goes_in_while_much_comes_out(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    _, words = shell
    done = subprocess.run(
        host.command(*words, "busybox od -v -tx1; exit 3"), env=host.environ, input=MUCH, stdout=-1, check=False
    )
    lines = done.stdout.split(b"\n")
    assert (done.returncode, len(lines)) == (3, len(MUCH) // 16 + 2)
    assert b"".join(bytes.fromhex(line.partition(b" ")[2].decode()) for line in lines[:4]) == MUCH[:64]


def test_a_process_that_does_not_read_takes_requests_and_signals(
    host: Preg, shell: tuple[str, tuple[str, ...]]
) -> None:
    name, words = shell
    with attached(host, *words, WAITS) as command:
        command.wait_for(command.stdout, b"ready\n")
        command.fill()
        assert host.ok("exec", name, "echo", "works") == "works\n"
        host.ok("pause", name)
        host.ok("unpause", name)
        command.signal(signal.SIGTERM)
        assert command.end() == 9
    assert command.printed[command.stdout] == b"ready\ncaught\n"


@pytest.mark.parametrize("verb", [("kill",), ("stop", "-t", "1"), ("restart", "-t", "1"), ("rm", "-f")])
def test_a_container_that_does_not_read_can_be_ended(
    verb: tuple[str, ...], host: Preg, image: str, names: Names
) -> None:
    name = names()
    with attached(host, "run", "-i", "--name", name, "--network", "none", image, "sh", "-c", WAITS) as command:
        command.wait_for(command.stdout, b"ready\n")
        command.fill()
        host.ok(*verb, name)
        assert command.end() in (9, 137)


def test_signals_are_passed_on_while_nobody_reads(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    _, words = shell
    with attached(host, *words, "trap 'echo caught >&2; kill $!; exit 9' TERM; yes & echo ready >&2; wait") as command:
        command.wait_for(command.stderr, b"ready\n")
        command.fill()
        command.signal(signal.SIGTERM)
        command.wait_for(command.stderr, b"caught\n")
        assert command.end() == 9


def test_a_stream_that_nobody_reads_does_not_hold_up_the_other(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    _, words = shell
    script = "yes & i=0; while test $i -lt 30000; do echo $i >&2; i=$((i + 1)); done; kill $!"
    with attached(host, *words, script) as command:
        command.wait_for(command.stderr, b"\n29999\n")
        assert command.end() == 0


def test_a_container_ends_while_its_reader_is_stopped(host: Preg, image: str, names: Names) -> None:
    """It can be started again, though the reader is still to see its end."""
    name = names()
    script = "echo ready; read -r go; head -c 100000 /dev/zero; echo the end >&2; exit 7"
    with attached(host, "run", "-i", "--name", name, "--network", "none", image, "sh", "-c", script) as command:
        command.wait_for(command.stdout, b"ready\n")
        supervisor = parent(int(host.ok("inspect", "-f", "State.Pid", name)))
        command.stop()
        with attached(host, "attach", name) as other:
            other.type(b"go\n")
            assert host.ok("wait", name) == "7\n"
            host.ok("start", name)
            assert host.ok("inspect", "-f", "State.Running", name) == "true\n"
            host.ok("rm", "-f", name)
            assert host.ok("system", "check") == "all is well\n"
            with ending(supervisor):
                command.signal(signal.SIGCONT)
                assert (command.end(), other.end()) == (7, 7), other.printed
    assert command.printed[command.stdout] == b"ready\n" + bytes(100_000)
    assert command.printed[command.stderr] == b"the end\n"


def test_a_reader_that_is_gone_does_not_hold_up_a_container(host: Preg, image: str, names: Names) -> None:
    name = names()
    words = ["run", "-i", "--name", name, "--network", "none", image, "sh", "-c", "seq 200000; read -r go; exit 4"]
    command = subprocess.Popen(
        host.command(*words), env=host.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"1\n"
        command.stdout.close()
        assert command.wait() == 141
    assert host.ok("wait", name) == "4\n"
    assert host.ok("logs", name) == "".join(f"{number}\n" for number in range(1, 200_001))


def test_a_process_that_gives_its_input_up_goes_on(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    _, words = shell
    script = "exec < /dev/null; echo closed; while ! test -e /go; do sleep 0.05; done; seq 30000"
    name = shell[0]
    with attached(host, *words, script) as command:
        command.wait_for(command.stdout, b"closed\n")
        command.fill()
        host.ok("exec", name, "busybox", "touch", "/go")
        assert command.end() == 0
    assert command.printed[command.stdout].endswith(b"\n30000\n")


def test_the_end_of_input_is_passed_on_and_output_goes_on(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    _, words = shell
    with attached(host, *words, "cat; echo behind; exit 2") as command:
        command.type(b"typed\n")
        command.wait_for(command.stdout, b"typed\n")
        command.hang_up()
        assert command.end() == 2
    assert command.printed[command.stdout] == b"typed\nbehind\n"


def test_a_command_that_is_killed_leaves_a_process_that_goes_on(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    name, words = shell
    script = "echo ready; head -c 300000 /dev/zero; cat > /dev/null; echo over > /over"
    with attached(host, *words, script) as command:
        command.wait_for(command.stdout, b"ready\n")
        kill(command.pid)
    if words[0] == "run":
        assert host.ok("wait", name) == "0\n"
        host.ok("start", name)
    host.ok("exec", name, "sh", "-c", "while ! test -e /over; do sleep 0.05; done")


def test_a_supervisor_that_is_killed_ends_the_command(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    name, words = shell
    with attached(host, *words, "echo one; echo two >&2; sleep 1000") as command:
        command.wait_for(command.stderr, b"two\n")
        kill(parent(int(host.ok("inspect", "-f", "State.Pid", name))))
        assert command.end() == (125 if words[0] == "run" else 1)
    assert command.printed[command.stdout] == b"one\n"
    assert b"supervisor was killed" in command.printed[command.stderr]


def test_what_a_process_leaves_behind_does_not_keep_its_command(host: Preg, image: str, names: Names) -> None:
    """A process in the background has the same streams, and goes on printing."""
    name = names()
    host.ok("run", "-d", "--name", name, "--network", "none", image, "sleep", "1000")
    done = host.run("exec", name, "sh", "-c", "yes behind & echo first >&2; exit 5")
    assert (done.returncode, done.stderr) == (5, "first\n")
    assert host.ok("exec", name, "echo", "works") == "works\n"


def test_the_log_has_every_line_though_a_reader_stops(host: Preg, image: str, names: Names) -> None:
    name = names()
    script = "read -r go; i=0; while test $i -lt 40000; do echo line $i; i=$((i + 1)); done"
    host.ok("create", "-i", "--name", name, "--network", "none", image, "sh", "-c", script)
    host.ok("start", name)
    with attached(host, "attach", name) as stopped:
        stopped.type(b"go\n")
        stopped.wait_for(stopped.stdout, b"line 0\n")
        stopped.stop()
        host.ok("kill", name)
        logged = host.ok("logs", name).splitlines()
        stopped.signal(signal.SIGCONT)
        assert stopped.end() == 137
    assert logged == [f"line {number}" for number in range(len(logged))]
    assert stopped.printed[stopped.stdout].decode().splitlines() == logged


def test_what_is_printed_to_one_file_stays_in_order(host: Preg, shell: tuple[str, tuple[str, ...]]) -> None:
    _, words = shell
    script = "i=0; while test $i -lt 50; do echo $i; sleep 0.01; echo $i >&2; sleep 0.01; i=$((i + 1)); done"
    done = subprocess.run(
        host.command(*words, script),
        env=host.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(number) for number in range(50) for _ in range(2)]


def test_a_supervisor_stays_small_whoever_does_not_read(host: Preg, image: str, names: Names) -> None:
    name = names()
    with attached(host, "run", "-i", "--name", name, "--network", "none", image, "busybox", "yes") as command:
        command.wait_for(command.stdout, b"y\n" * 500_000)
        with attached(host, "exec", "-i", name, "busybox", "yes") as other:
            other.wait_for(other.stdout, b"y\n")
            command.fill()
            other.fill()
            pid = parent(int(host.ok("inspect", "-f", "State.Pid", name)))
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            (size,) = [int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")]
            host.ok("kill", name)
    assert size <= 6 * 1024
