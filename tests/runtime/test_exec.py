"""One more command in a container: its streams, status, rights, terminal, and its end."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.attach import hold_back
from runtime.cli.attaching import read_keys
from runtime.cli.options import Options
from runtime.cli.shared_options import DETACH_KEYS
from runtime.cli.variables import read_variables
from runtime.errors import UsageError
from tests.runtime.conftest import Preg
from tests.runtime.terminals import terminal


@pytest.fixture
def container(host: Preg, image: str, names: Callable[[], str], oci_runtime: str) -> str:
    """A container that goes on until it is removed."""
    name = names()
    host.ok("run", "-d", "--name", name, "--runtime", oci_runtime, "-e", "GIVEN=1", image, "sleep", "1000")
    return name


def test_streams_and_status_are_the_commands(host: Preg, container: str) -> None:
    done = host.run("exec", "-i", container, "sh", "-c", "cat; echo out; echo err >&2; exit 42", stdin="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (42, "in\nout\n", "err\n")
    assert host.ok("exec", container, "cat", stdin="in\n") == ""


def test_a_command_that_is_over_before_its_engine_is_seen_to_its_end(host: Preg, container: str) -> None:
    for status in (0, 3):
        done = host.run("exec", container, "sh", "-c", f"echo {status}; exit {status}")
        assert (done.returncode, done.stdout) == (status, f"{status}\n")


def test_much_is_passed_on_whole(host: Preg, container: str) -> None:
    much = "0123456789abcdef" * 200_000
    assert host.ok("exec", "-i", container, "cat", stdin=much) == much


@pytest.mark.parametrize(
    ("options", "command", "status", "sentence"),
    [
        ([], "no-such-command", 127, "was not found"),
        ([], "/text", 126, "cannot be executed"),
        (["-w", "/no/such/folder"], "true", 126, "cannot be executed in its directory"),
        (["-e", os.fsdecode(b"A=\xff")], "true", 2, "no UTF-8 text"),
        (["-u", "nobody-here"], "true", 126, "no user 'nobody-here'"),
    ],
)
def test_what_cannot_be_executed(  # noqa: PLR0917 - fixtures are arguments
    options: list[str], command: str, status: int, sentence: str, host: Preg, container: str
) -> None:
    assert sentence in host.fails("exec", *options, container, command, status=status)


def test_a_command_ended_by_a_signal_has_its_number_and_128(host: Preg, container: str) -> None:
    assert host.run("exec", container, "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


def test_it_has_the_containers_variables_and_its_own(host: Preg, container: str, tmp_path: Path) -> None:
    (tmp_path / "variables").write_text("# a comment\nFROM_FILE=a b\nBOTH=file\n")
    options = ["-e", "OWN=2", "-e", "BOTH=own", "--env-file", str(tmp_path / "variables")]
    seen = set(host.ok("exec", *options, container, "env").splitlines())
    assert {"GIVEN=1", "MADE_BY=tests", "OWN=2", "BOTH=own", "FROM_FILE=a b", "HOME=/"} <= seen
    assert not any(line.startswith("TERM=") for line in seen)


def test_it_has_the_rights_of_the_container_and_no_more(host: Preg, container: str) -> None:
    keys = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")

    def rights(status: str) -> dict[str, str]:
        return {key: value for key, _, value in (line.partition(":\t") for line in status.splitlines()) if key in keys}

    own = rights(host.ok("exec", container, "cat", "/proc/1/status"))
    assert own["Seccomp"] == "2"
    assert rights(host.ok("exec", container, "cat", "/proc/self/status")) == own
    of_user = rights(host.ok("exec", "-u", "user", container, "cat", "/proc/self/status"))
    assert of_user == {**own, "CapPrm": "0" * 16, "CapEff": "0" * 16}
    privileged = rights(host.ok("exec", "--privileged", container, "cat", "/proc/self/status"))
    (ours,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line]
    assert privileged["CapEff"] == ours


def test_a_user_and_a_directory(host: Preg, container: str) -> None:
    out = host.ok("exec", "-u", "user", "-w", "/tmp", container, "sh", "-c", "id; pwd").splitlines()  # noqa: S108
    assert out == ["uid=1000(user) gid=1000 groups=1000", "/tmp"]  # noqa: S108
    assert host.ok("exec", "-u", "7:8", container, "id").startswith("uid=7 gid=8")


def test_it_is_in_the_containers_groups_and_namespaces(host: Preg, container: str) -> None:
    def seen(process: str) -> str:
        script = f"cat /proc/{process}/cgroup; cd /proc/{process}/ns; ls -l mnt pid net ipc uts"
        lines = host.ok("exec", container, "sh", "-c", script).splitlines()
        return "\n".join(line.partition(" -> ")[2] or line for line in lines)

    assert seen("self") == seen("1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_command(number: signal.Signals, host: Preg, container: str) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo caught; exit 7' {name}; echo ready; while :; do sleep 0.05; done"
    command = host.command("exec", container, "sh", "-c", script)
    with subprocess.Popen(command, env=host.environ, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "caught\n"
        assert process.wait() == 7


def test_a_terminal_has_our_size_and_follows_it(host: Preg, container: str) -> None:
    script = """
    test -t 0 && test -t 1 && test -t 2 && echo terminal $TERM
    while :; do busybox stty size; sleep 0.05; done"""
    with terminal(host.command("exec", "-it", container, "sh", "-c", script), host.environ, (33, 99)) as person:
        person.wait_for(b"terminal xterm\r\n")
        # It comes after the process has begun, which may have asked before.
        person.wait_for(b"\n33 99\r\n")
        person.resize(44, 111)
        os.kill(person.process.pid, signal.SIGWINCH)
        person.wait_for(b"\n44 111\r\n")


def test_the_keys_leave_a_command_that_goes_on(host: Preg, container: str) -> None:
    with terminal(host.command("exec", "-it", container, "sh", "-c", "echo on; sleep 1000; :"), host.environ) as person:
        person.wait_for(b"on\r\n")
        person.type(b"\x10\x11")
        assert person.end() == 1
        assert person.printed.endswith(b"read escape sequence\r\n")
    assert len(pids_of(host, container, "sh -c echo on")) == 1


def test_a_command_whose_person_is_gone_is_hung_up(host: Preg, container: str) -> None:
    with terminal(host.command("exec", "-it", container, "sh"), host.environ) as person:
        person.type(b"echo a''bc\r")
        person.wait_for(b"\nabc\r\n")
        person.process.kill()
        person.process.wait()
    # It has ended when the next command that asks its supervisor is answered, for the kernel hangs up at once.
    host.ok("exec", container, "sh", "-c", "while test -e /proc/[2-9]/exe -a $$ -ne 0; do break; done")


def test_a_detached_command_goes_on_alone(host: Preg, container: str) -> None:
    assert host.ok("exec", "-d", container, "sh", "-c", "echo done > /tmp/done; sleep 1000") == ""
    host.ok("exec", container, "sh", "-c", "until test -s /tmp/done; do sleep 0.01; done")
    assert "was not found" in host.fails("exec", "-d", container, "nosuch", status=127)


def test_a_command_ends_with_its_container(host: Preg, container: str) -> None:
    command = host.command("exec", container, "sh", "-c", "echo ready; sleep 1000")
    with subprocess.Popen(command, env=host.environ, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        host.ok("rm", "--force", container)
        assert process.wait() == 128 + signal.SIGKILL


def test_a_container_that_does_not_run_is_told(host: Preg, container: str) -> None:
    host.ok("kill", container)
    assert "is not running" in host.fails("exec", container, "true")
    assert "there is no container 'nosuch'" in host.fails("exec", "nosuch", "true")


def test_many_at_once_do_not_meet(host: Preg, container: str) -> None:
    commands = [host.command("exec", container, "sh", "-c", f"echo {n}; exit {n}") for n in range(8)]
    processes = [subprocess.Popen(command, env=host.environ, stdout=subprocess.PIPE) for command in commands]
    said = [process.communicate()[0] for process in processes]
    assert said == [b"%d\n" % n for n in range(8)]
    assert [process.returncode for process in processes] == list(range(8))
    (running,) = (host.state / "containers").iterdir()
    assert [path for path in running.iterdir() if path.is_dir() and not path.is_symlink()] == []


@given(st.binary(max_size=30), st.binary(min_size=1, max_size=4), st.integers(0, 30))
def test_what_is_typed_is_passed_on_but_for_the_keys(typed: bytes, keys: bytes, cut: int) -> None:
    """However it is cut, exactly what stands before the keys is passed on."""
    passed, kept, found = hold_back(typed[:cut], keys)
    if not found:
        more, kept, found = hold_back(kept + typed[cut:], keys)
        passed += more
    assert found == (keys in typed)
    assert passed + kept == (typed.partition(keys)[0] if found else typed)
    assert found or (keys.startswith(kept) and kept != keys)


@pytest.mark.parametrize(
    ("text", "keys"),
    [("ctrl-p,ctrl-q", b"\x10\x11"), ("a", b"a"), ("ctrl-@,ctrl-[,ctrl-_", b"\0\x1b\x1f"), ("ctrl-A,b", b"\x01b")],
)
def test_keys_are_read_as_docker_reads_them(text: str, keys: bytes) -> None:
    assert read_keys(given_keys(text)) == keys


@given(st.text(max_size=12))
def test_other_keys_are_refused(text: str) -> None:
    try:
        keys = read_keys(given_keys(text))
    except UsageError:
        return
    assert len(keys) == len((text or "ctrl-p,ctrl-q").split(","))


@given(text=st.text(alphabet="A=# \t\n\r\ufeffz", max_size=20))
def test_a_file_of_variables_gives_variables_or_is_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("variables") / "file"
    path.write_text(text, encoding="utf-8", newline="")
    options = Options()
    options.add("--env-file", str(path))
    try:
        variables = read_variables(options)
    except UsageError:
        return
    assert all("=" in variable and "\n" not in variable for variable in variables)


def given_keys(text: str) -> Options:
    options = Options()
    options.add(DETACH_KEYS.name, text)
    return options


def pids_of(host: Preg, container: str, text: str) -> list[int]:
    """The processes of a container whose words contain something."""
    pid = json.loads(host.ok("inspect", container))[0]["State"]["Pid"]
    inside = os.stat(f"/proc/{pid}/ns/pid").st_ino
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if (path / "ns/pid").stat().st_ino == inside and words.startswith(text):
                found.append(int(path.name))
        except OSError:  # it has ended, or is not ours
            continue
    return found
