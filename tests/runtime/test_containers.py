"""Containers from one command to the next: made, started, attached to, paused, renamed, stopped, removed, and found."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime import frames as f
from runtime.attach import visit
from runtime.container import Container
from tests.parts.process import kill, parent
from tests.runtime.conftest import Preg
from tests.runtime.terminals import terminal

Names = Callable[[], str]


def state(host: Preg, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(host.ok("inspect", name))[0]["State"]
    return found


def test_a_container_from_create_to_rm(host: Preg, image: str, names: Names, oci_runtime: str) -> None:
    name = names()
    identifier = host.ok(
        "create", "--name", name, "--runtime", oci_runtime, image, "sh", "-c", "echo hi; exit 3"
    ).strip()
    assert state(host, name)["Status"] == "created"
    assert host.run("start", "-a", name).stdout == "hi\n"
    assert (state(host, name)["Status"], state(host, name)["ExitCode"]) == ("exited", 3)
    assert host.run("start", "-a", name).returncode == 3
    assert host.ok("wait", name) == "3\n"
    assert host.ok("logs", name) == "hi\nhi\n"
    assert host.ok("rm", identifier[:12]) == f"{identifier[:12]}\n"
    assert "there is no container" in host.fails("inspect", name)


def test_stop_asks_and_then_kills(host: Preg, image: str, names: Names) -> None:
    polite, deaf = names(), names()
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done"
    host.ok("run", "-d", "--name", polite, image, "sh", "-c", script)
    host.ok("run", "-d", "--name", deaf, image, "sleep", "1000")
    assert host.ok("stop", "-t", "0", deaf) == f"{deaf}\n"
    wait_for_line(host, polite, "ready")
    assert host.ok("stop", polite) == f"{polite}\n"
    assert state(host, polite)["ExitCode"] == 9
    assert state(host, deaf)["ExitCode"] == 128 + signal.SIGKILL
    assert host.ok("stop", polite) == f"{polite}\n"  # no fault if it does not run


def test_kill_sends_what_it_is_told(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok(
        "run", "-d", "--name", name, image, "sh", "-c", "trap 'exit 5' USR1; echo ready; while :; do sleep 0.02; done"
    )
    wait_for_line(host, name, "ready")
    host.ok("kill", "-s", "USR1", name)
    assert host.ok("wait", name) == "5\n"
    assert "is not running" in host.fails("kill", name)
    assert "there is no signal" in host.fails("kill", "-s", "NOTHING", name)


def test_stop_and_restart_send_what_they_are_told(host: Preg, image: str, names: Names) -> None:
    name = names()
    script = "trap 'exit 4' USR1; trap 'exit 5' USR2; echo ready; while :; do sleep 0.05; done"
    host.ok("run", "-d", "--name", name, image, "sh", "-c", script)
    wait_for_line(host, name, "ready")
    host.ok("restart", "-s", "USR2", "--timeout", "-1", name)
    wait_for_line(host, name, "ready", times=2)
    died = host.ok("events", "--since", "0", "--until", "0s", "--filter", "event=die", "--filter", f"container={name}")
    assert "exitCode=5" in died
    assert "there is no signal" in host.fails("stop", "-s", "NOTHING", name, status=2)
    host.ok("stop", "--signal", "SIGUSR1", "--time", "-1", name)
    assert state(host, name)["ExitCode"] == 4


def test_what_runs_is_removed_by_force_alone(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, image, "sleep", "1000")
    assert "is running" in host.fails("rm", name)
    assert host.ok("rm", "-f", name) == f"{name}\n"


def test_two_that_remove_the_same_both_find_it_gone(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, image, "sleep", "1000")
    commands = [subprocess.Popen(host.command("rm", "-f", name), env=host.environ, stderr=-1) for _ in range(3)]
    said = [command.communicate()[1] for command in commands]
    assert 0 in [command.returncode for command in commands]
    assert not any(b"Traceback" in text for text in said)
    assert "there is no container" in host.fails("inspect", name)


def test_a_name_is_one_containers(host: Preg, image: str, names: Names) -> None:
    first, second = names(), names()
    host.ok("create", "--name", first, image)
    assert f"the name '{first}' is in use" in host.fails("create", "--name", first, image)
    host.ok("rename", first, second)
    assert json.loads(host.ok("inspect", second))[0]["Name"] == f"/{second}"
    assert "there is no container" in host.fails("inspect", first)
    host.ok("create", "--name", first, image)
    assert "is in use" in host.fails("rename", first, second)
    assert "cannot be a container's name" in host.fails("rename", first, "-", status=2)


def test_pause_stops_every_process_until_unpause(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, image, "sh", "-c", "while :; do echo x; sleep 0.01; done")
    assert host.ok("pause", name) == f"{name}\n"
    assert state(host, name)["Status"] == "paused"
    assert "(Paused)" in host.ok("ps", "--filter", f"name={name}")
    assert "paused already" in host.fails("pause", name)
    assert "is paused" in host.fails("exec", name, "true")
    assert "is paused" in host.fails("attach", name)
    before = host.ok("logs", name)
    assert host.ok("logs", name) == before
    host.ok("unpause", name)
    assert "is not paused" in host.fails("unpause", name)
    with subprocess.Popen(host.command("logs", "-f", "--tail", "0", name), env=host.environ, stdout=-1) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"x\n"
        follower.kill()


def test_a_paused_container_can_be_stopped(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, image, "sleep", "1000")
    host.ok("pause", name)
    host.ok("stop", "-t", "0", name)
    assert state(host, name)["ExitCode"] == 128 + signal.SIGKILL


def test_restart_is_a_new_start(host: Preg, image: str, names: Names, oci_runtime: str) -> None:
    name = names()
    command = ["sh", "-c", "echo started; sleep 1000"]
    host.ok("run", "-d", "--rm", "--name", name, "--runtime", oci_runtime, image, *command)
    before = state(host, name)
    assert host.ok("restart", "-t", "0", name) == f"{name}\n"
    after = state(host, name)
    assert after["Status"] == "running"
    assert after["Pid"] != before["Pid"]
    wait_for_line(host, name, "started", times=2)
    host.ok("exec", name, "true")
    assert json.loads(host.ok("inspect", name))[0]["RestartCount"] == 0


def test_restart_starts_what_has_ended(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "--name", name, image, "true")
    host.ok("restart", name)
    assert host.ok("wait", name) == "0\n"


def test_attach_sees_types_and_ends_with_the_container(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "-i", "--name", name, image, "sh", "-c", "read word; echo got $word; echo bad >&2; exit 4")
    done = host.run("attach", name, stdin="it\n")
    assert (done.returncode, done.stdout, done.stderr) == (4, "got it\n", "bad\n")
    assert "is not running" in host.fails("attach", name)


def test_who_starts_what_runs_is_attached_to_it(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "-i", "--name", name, image, "sh", "-c", "read word; echo got $word; exit 3")
    done = host.run("start", "-a", "-i", name, stdin="typed\n")
    assert (done.stdout, done.returncode) == ("got typed\n", 3)


@pytest.mark.parametrize("running", [True, False])
def test_a_terminal_is_not_typed_to_from_a_file(host: Preg, image: str, names: Names, *, running: bool) -> None:
    name = names()
    host.ok("run" if running else "create", *(["-d"] if running else []), "-i", "-t", "--name", name, image, "sh")
    assert "terminal" in host.fails("start", "-a", "-i", name)
    assert host.ok("inspect", "-f", "State.Running", name) == f"{running}\n".lower()


def test_signals_reach_a_container_through_attach_if_they_are_to(host: Preg, image: str, names: Names) -> None:
    name = names()
    script = "trap 'exit 6' USR1; while :; do echo x; sleep 0.02; done"
    host.ok("run", "-d", "--name", name, image, "sh", "-c", script)
    for proxy, status in (("--sig-proxy=false", 130), ("--sig-proxy", 6)):
        with subprocess.Popen(host.command("attach", proxy, name), env=host.environ, stdout=-1) as person:
            assert person.stdout is not None
            assert person.stdout.readline() == b"x\n"
            person.send_signal(signal.SIGUSR1)
            person.stdout.read()
            assert person.wait() == status


def test_keys_leave_a_container_that_goes_on(host: Preg, image: str, names: Names) -> None:
    name = names()
    script = "while :; do echo on; sleep 0.02; done"
    words = ["run", "-it", "--detach-keys", "ctrl-a,d", "--name", name, image, "sh", "-c", script]
    with terminal(host.command(*words), host.environ) as person:
        person.wait_for(b"on\r\n")
        person.type(b"\x01d")
        assert person.end() == 0
    assert state(host, name)["Status"] == "running"
    with terminal(host.command("attach", name), host.environ) as person:
        person.wait_for(b"on\r\n")  # before that the keys are those of the person's own terminal
        person.type(b"\x10\x11")
        assert person.end() == 1
        assert person.printed.endswith(b"read escape sequence\r\n")
    with terminal(host.command("start", "-ai", name), host.environ) as person:
        person.wait_for(b"on\r\n")
        person.type(b"\x10\x11")
        assert person.end() == 0


def test_what_runs_on_a_terminal_is_shown_again_to_whoever_attaches(host: Preg, image: str, names: Names) -> None:
    """It hears of a new size, also where that is the one it has."""
    name = names()
    script = "trap 'echo is $(busybox stty size)' WINCH; echo ready; while :; do sleep 1000 & wait; kill $!; done"
    host.ok("run", "-dit", "--name", name, image, "sh", "-c", script)
    wait_for_line(host, name, "ready")
    for _ in range(2):
        with terminal(host.command("attach", name), host.environ, (33, 99)) as person:
            person.wait_for(b"is 33 99\r\n")
            person.type(b"\x10\x11")
            assert person.end() == 1


def test_what_is_attached_to_can_be_chosen(host: Preg, image: str) -> None:
    done = host.run("run", "--rm", "-a", "stderr", image, "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("", "err\n")
    for stream in ("stdin", "STDIN"):
        done = host.run("run", "--rm", "-i", "-a", stream, "-a", "Stdout", image, "sh", stdin="echo hi; echo err >&2\n")
        assert (done.stdout, done.stderr, done.returncode) == ("hi\n", "", 0)
    assert "a stream is" in host.fails("run", "-a", "stdsomething", image, status=125)


def test_top_lists_the_containers_processes_alone(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "-i", "--name", name, image, "sh", "-c", "echo ready; read line")
    wait_for_line(host, name, "ready")
    head, row = host.ok("top", name).splitlines()
    assert head.split()[:2] == ["UID", "PID"]
    assert row.endswith("sh -c echo ready; read line")
    assert host.ok("top", name, "-o", "pid,comm").split() == ["PID", "COMMAND", str(state(host, name)["Pid"]), "sh"]
    assert "without a column PID" in host.fails("top", name, "-o", "comm", status=2)


def test_who_wants_too_much_memory_is_told_so(host: Preg, image: str, names: Names, oci_runtime: str) -> None:
    name = names()
    script = "a=x; while :; do a=$a$a; done"
    host.run("run", "--name", name, "--runtime", oci_runtime, "-m", "16m", image, "sh", "-c", script)
    assert state(host, name)["OOMKilled"] is True
    other = names()
    host.ok("run", "--name", other, "--runtime", oci_runtime, "-m", "16m", image, "true")
    assert state(host, other)["OOMKilled"] is False


def test_a_container_whose_supervisor_is_killed_is_ended_by_the_next_command(
    host: Preg, image: str, names: Names
) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, image, "sleep", "1000")
    pid = int(str(state(host, name)["Pid"]))
    kill(parent(pid))
    assert host.ok("wait", name) == "137\n"
    assert "lost its supervisor" in str(state(host, name)["Error"])
    assert not Path(f"/proc/{pid}/root/bin/sh").exists()
    host.ok("start", name)
    host.ok("exec", name, "true")


def test_an_engine_that_is_killed_while_it_starts_a_container_leaves_nothing(
    host: Preg, image: str, names: Names, tmp_path: Path, oci_runtime: str
) -> None:
    """The engine has made the container's process when it is killed, and could not say so."""
    engine = tmp_path / Path(oci_runtime).name
    engine.write_text(
        f'#!/bin/sh\ncase "$*" in *" run "*) {oci_runtime} "$@"; kill -9 $$;; *) exec {oci_runtime} "$@";; esac\n'
    )
    engine.chmod(0o755)
    name = names()
    seconds = str(uuid.uuid4().int % 10**9)
    done = host.run("run", "-d", "--name", name, "--runtime", str(engine), image, "sleep", seconds)
    assert done.returncode == 125
    assert "could not start the container" in done.stderr
    assert subprocess.run(["pgrep", "-f", f"^sleep {seconds}"], stdout=-1, check=False).stdout == b""


@pytest.mark.parametrize(
    "said",
    [
        f.frame(f.EXEC, b"{}"),
        f.frame(f.EXEC, b'{"process": 3, "stdin": true}'),
        f.frame(f.EXEC, b"nonsense"),
        f.frame(f.RESIZE, b"1"),
        f.frame(f.SIGNAL, b"x"),
        f.frame(f.STOP),
        f.frame(f.RESTART, b"15"),
        f.frame(99, b"?"),
        b"\xff" * 100,
    ],
)
def test_a_visitor_who_talks_nonsense_is_shown_out(said: bytes, host: Preg, image: str, names: Names) -> None:
    name = names()
    identifier = host.ok("run", "-d", "--name", name, image, "sleep", "1000").strip()
    session = visit(Container(str(host.home), str(host.state), identifier))
    assert session is not None
    session.connection.sendall(said)
    host.ok("exec", name, "true")
    session.connection.close()
    assert state(host, name)["Status"] == "running"


def test_a_supervisor_is_small(host: Preg, image: str, names: Names) -> None:
    """What each adds to what all share, which is the interpreter."""
    name = names()
    host.ok("run", "-d", "--name", name, image, "sleep", "1000")
    host.ok("exec", name, "true")
    pid = parent(int(str(state(host, name)["Pid"])))
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (size,) = [int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")]
    assert size <= 6 * 1024


def test_no_container_can_write_to_its_oci_runtime(host: Preg, image: str, oci_runtime: str, names: Names) -> None:
    """Which is a container's own program for a moment (CVE-2019-5736), and would then be everybody's."""
    name = names()
    host.ok("run", "-d", "--name", name, "--runtime", oci_runtime, image, "sleep", "1000")
    host.ok("exec", name, "true")
    files = Path(f"/proc/{parent(int(str(state(host, name)['Pid'])))}/fd").iterdir()
    (program,) = [file for file in files if file.is_file() and file.samefile(oci_runtime)]
    assert os.statvfs(program).f_flag & os.ST_RDONLY


def wait_for_line(host: Preg, name: str, line: str, times: int = 1) -> None:
    """Wait until a container has printed a line."""
    with subprocess.Popen(host.command("logs", "-f", name), env=host.environ, stdout=-1, text=True) as follower:
        assert follower.stdout is not None
        for _ in range(times):
            assert follower.stdout.readline() == f"{line}\n"
        follower.kill()
