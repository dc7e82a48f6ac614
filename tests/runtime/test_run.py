"""Containers for real, by each OCI runtime: streams, status, signals, what they see, and what they leave."""

import contextlib
import json
import os
import pty
import re
import signal
import stat
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.mounts import below, unmount_below
from tests.parts.process import parent
from tests.parts.required import require_terminals
from tests.parts.server import Server
from tests.runtime.archives import DIR, END, file, header
from tests.runtime.conftest import Preg

#: Says so when it has begun, and goes on without another process, which would have the same words for a moment.
_FOR_EVER = "busybox mkfifo /nobody; echo ready; read line < /nobody"


@pytest.fixture
def container(host: Preg, image: str, oci_runtime: str) -> Iterator[list[str]]:
    """The words before a command; nothing may be left of any container after the test."""
    yield ["run", "--rm", "--runtime", oci_runtime, image]
    assert host.left() == []
    assert below(host.home / "containers") == []


def made(server: Server, host: Preg, repository: str, image: Image) -> str:
    push(server, repository, "1", image)
    name = f"{server.address}/{repository}:1"
    host.ok("pull", name)
    return name


def test_streams_and_status_are_the_commands(host: Preg, container: list[str]) -> None:
    done = host.run(*container, "sh", "-c", "cat; echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, "out\n", "err\n")


def test_standard_input_is_passed_on_when_asked_for(host: Preg, container: list[str]) -> None:
    assert host.ok(container[0], "-i", *container[1:], "cat", stdin="in\n") == "in\n"
    assert host.ok(*container, "cat", stdin="in\n") == ""


def test_the_images_own_command_is_run_if_none_is_given(host: Preg, container: list[str]) -> None:
    assert host.ok(*container) == "hello"


@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        ("no-such-command", 127, "was not found"),
        ("/no/such/command", 127, "was not found"),
        ("/text", 126, "cannot be executed"),
        ("/bin", 126, "cannot be executed"),
    ],
)
def test_what_cannot_be_executed_has_dockers_status(
    command: str, status: int, sentence: str, host: Preg, container: list[str]
) -> None:
    done = host.run(*container, command)
    assert done.returncode == status
    assert f"the container's command {sentence}" in done.stderr
    assert "Traceback" not in done.stderr


def test_variables_workdir_and_entrypoint(host: Preg, container: list[str]) -> None:
    start, *rest = container
    options = ["-e", "A=1", "-e", "PREG_HOME", "-e", "PREG_UNSET", "-w", "/made/here", "--entrypoint", "sh"]
    words = host.ok(start, *options, *rest, "-c", "pwd; env").splitlines()
    assert words[0] == "/made/here"
    assert {"A=1", f"PREG_HOME={host.home}", "MADE_BY=tests", "PATH=/bin", "HOME=/"} <= set(words[1:])
    assert not any(word.startswith("PREG_UNSET") for word in words)


def test_containers_get_the_proxies_of_dockers_configuration(host: Preg, container: list[str], tmp_path: Path) -> None:
    proxies = {"httpProxy": "http://p:1", "httpsProxy": "http://p:2", "noProxy": "a,b", "ftpProxy": ""}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {}, "proxies": {"default": proxies}}))
    (tmp_path / "file").write_text("NO_PROXY=file\n")
    told = replace(host, variables={"DOCKER_CONFIG": str(tmp_path)})
    start, *rest = container
    options = ("-e", "HTTPS_PROXY=mine", "-e", "http_proxy", "--env-file", str(tmp_path / "file"))
    words = told.ok(start, *options, *rest, "env").splitlines()
    assert {word for word in words if "_proxy=" in word.lower()} == {
        "HTTP_PROXY=http://p:1",
        "HTTPS_PROXY=mine",
        "https_proxy=http://p:2",
        "NO_PROXY=file",
        "no_proxy=a,b",
    }
    for wrong in ('{"proxies": ', '{"proxies": {"default": {"httpProxy": 1}}}', '{"proxies": {"default": 1}}'):
        (tmp_path / "config.json").write_text(wrong)
        done = told.run(*container, "env")
        assert (done.returncode, done.stdout) == (125, "")
        assert f"{tmp_path}/config.json: its proxies" in done.stderr


def test_a_volume_is_the_hosts_and_read_only_if_so_asked(host: Preg, container: list[str], tmp_path: Path) -> None:
    start, *rest = container
    host.ok(start, "-v", f"{tmp_path}/made:/data", *rest, "sh", "-c", "echo kept > /data/file")
    assert (tmp_path / "made/file").read_text() == "kept\n"
    done = host.run(start, "-v", f"{tmp_path}/made:/data:ro", *rest, "sh", "-c", "cat /data/file; echo x > /data/file")
    assert (done.returncode, done.stdout) == (1, "kept\n")
    assert "Read-only file system" in done.stderr
    host.ok(start, "-v", f"{tmp_path}/made/file:/one", *rest, "sh", "-c", "echo changed > /one")
    assert (tmp_path / "made/file").read_text() == "changed\n"


def test_a_process_is_alone_and_as_weak_as_under_docker(host: Preg, container: list[str]) -> None:
    seen = [name for name in host.ok(*container, "ls", "/proc").split() if name.isdigit()]
    assert seen == ["1"]
    assert host.run(*container, "cat", "/proc/kcore").stdout == ""
    state = dict(line.split(":\t", 1) for line in host.ok(*container, "cat", "/proc/self/status").splitlines())
    assert state["CapEff"] == state["CapPrm"] == state["CapBnd"] == "00000000a80425fb"
    assert state["CapInh"] == state["CapAmb"] == "0000000000000000"


def test_the_host_cannot_be_changed_through_the_kernels_files(host: Preg, container: list[str]) -> None:
    script = """
    for file in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/new /sys/fs/cgroup/cgroup.procs \\
        /sys/fs/cgroup/*/cgroup.procs; do
        test -e $file -o $file = /sys/kernel/new || continue
        (echo 1 > $file) 2>/dev/null && echo written $file
        echo tried
    done"""
    said = host.ok(*container, "sh", "-c", script).splitlines()
    assert set(said) == {"tried"}
    assert len(said) >= 4


def test_the_network_is_its_own_or_the_hosts(host: Preg, container: list[str]) -> None:
    start, *rest = container
    assert {"lo", "eth0"} <= set(host.ok(*container, "ls", "/sys/class/net").split())
    assert "eth0" not in host.ok(start, "--network", "none", *rest, "ls", "/sys/class/net").split()
    own = os.stat("/proc/self/ns/net").st_ino
    script = "cd /proc/self/ns && ls -l net"
    assert f"net:[{own}]" not in host.ok(*container, "sh", "-c", script)
    assert f"net:[{own}]" in host.ok(start, "--network", "host", *rest, "sh", "-c", script)


def test_the_files_that_tell_of_the_host(host: Preg, container: list[str]) -> None:
    script = "echo $HOSTNAME; cat /etc/hostname; cat /etc/hosts; cat /etc/resolv.conf"
    name, same, *rest = host.ok(*container, "sh", "-c", script).splitlines()
    assert name == same
    assert any(line.split()[1:] == [name] for line in rest)
    assert rest[-len(Path("/etc/resolv.conf").read_text().splitlines()) :] == (
        Path("/etc/resolv.conf").read_text().splitlines() or rest
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_signals_reach_the_command(number: signal.Signals, host: Preg, container: list[str]) -> None:
    script = f"trap 'echo caught; exit 7' {number.name.removeprefix('SIG')}; echo ready; while :; do sleep 0.05; done"
    with started(host, *container, "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == "caught\n"
        assert process.wait() == 7


def test_a_command_ended_by_a_signal_has_its_number_and_128(host: Preg, container: list[str]) -> None:
    command = ("sh", "-c", f"echo ready; read word # {uuid.uuid4()}")
    with started(host, container[0], "-i", *container[1:], *command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (pid,) = running(*command)
        os.kill(pid, signal.SIGKILL)
        assert process.wait() == 128 + signal.SIGKILL


def test_a_terminal_is_one_and_its_size_is_ours(host: Preg, container: list[str]) -> None:
    start, *rest = container
    require_terminals()
    master, slave = pty.openpty()
    script = "test -t 0 && test -t 1 && test -t 2 && echo terminal $TERM; exit 5"
    process = subprocess.Popen(
        host.command(start, "-it", *rest, "sh", "-c", script),
        env=host.environ,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    said = b""
    with contextlib.suppress(OSError):  # EIO is how a terminal ends
        while piece := os.read(master, 4096):
            said += piece
    os.close(master)
    assert process.wait() == 5
    assert said == b"terminal xterm\r\n"


def test_the_next_run_removes_what_a_killed_supervisor_left(host: Preg, container: list[str]) -> None:
    command = ("sh", "-c", f"{_FOR_EVER} # {uuid.uuid4()}")
    with started(host, *container, *command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (pid,) = running(*command)
        os.kill(parent(pid), signal.SIGKILL)
        assert process.wait() == 125
        assert running(*command) == [pid]
        assert host.run(*container, "true").stderr == ""
        assert running(*command) == []
    # The fixture asserts that its directory is gone.


def test_a_container_outlives_the_preg_that_started_it(host: Preg, container: list[str]) -> None:
    command = ("sh", "-c", f"{_FOR_EVER} # {uuid.uuid4()}")
    with started(host, *container, *command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        identifier = host.ok("ps", "-q").strip()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(running(*command)) == 1
        assert host.ok("rm", "-f", identifier).strip() == identifier
        assert running(*command) == []


def test_without_rm_the_changes_stay_and_nothing_is_mounted(host: Preg, image: str, oci_runtime: str) -> None:
    host.ok("run", "--runtime", oci_runtime, image, "sh", "-c", "echo kept > /file")
    (left,) = host.left()
    try:
        assert (left / "upper/file").read_text() == "kept\n"
        assert list((left / "root").iterdir()) == []
        assert below(left) == []
        host.ok("run", "--rm", "--runtime", oci_runtime, image, "true")
        assert left.is_dir()
    finally:
        subprocess.run(["rm", "-rf", str(left)], check=True)


def test_what_a_container_of_rm_writes_is_not_waited_for(host: Preg, image: str, runnable: str) -> None:
    def volatile(*words: str) -> bool:
        script = "while read _ path _ options _; do case $path in /) echo $options;; esac; done < /proc/mounts"
        said = host.ok("run", "--network", "none", "--runtime", runnable, *words, image, "sh", "-c", script)
        return "volatile" in re.split("[,=\n]", said)  # a value since Linux 6.18

    assert volatile("--rm")
    assert not volatile("--name", "waited-for")
    host.ok("rm", "waited-for")


def test_layers_are_stacked_with_their_whiteouts(server: Server, host: Preg, repository: str, oci_runtime: str) -> None:
    shell = busybox()
    lower = layer({"a/gone": File(b"x"), "a/stays": File(b"x"), "d/old": File(b"x"), "top": File(b"x")})
    upper = file(b"a/.wh.gone") + file(b".wh.top") + file(b"d/.wh..wh..opq") + file(b"d/new", b"x") + END
    image = Image((*shell.tars, lower, upper), shell.settings)
    name = made(server, host, repository, image)
    out = host.ok("run", "--rm", "--runtime", oci_runtime, name, "sh", "-c", "ls a d; test -e top || echo no top")
    assert out == "a:\nstays\n\nd:\nnew\nno top\n"


def test_an_opaque_root_hides_every_layer_below(server: Server, host: Preg, repository: str, oci_runtime: str) -> None:
    shell = busybox()
    lower = layer({"below": File(b"x")})
    image = Image((lower, file(b".wh..wh..opq") + END, *shell.tars), shell.settings)
    name = made(server, host, repository, image)
    assert "below" not in host.ok("run", "--rm", "--runtime", oci_runtime, name, "ls", "/").split()


def test_the_images_user_and_directory_count(server: Server, host: Preg, repository: str, oci_runtime: str) -> None:
    shell = busybox()
    home = header(b"work/", DIR, mode=0o755, owner=(1000, 1000)) + END
    image = Image((*shell.tars, home), {**shell.settings, "User": "user", "WorkingDir": "/work"})
    name = made(server, host, repository, image)
    script = "id; pwd; echo x > mine && ls -n mine; head -c 0 /proc/1/root; cat /proc/self/status"
    out = host.run("run", "--rm", "--runtime", oci_runtime, name, "sh", "-c", script).stdout.splitlines()
    assert out[0].startswith("uid=1000(user) gid=1000")
    assert out[1] == "/work"
    assert out[2].split()[2:4] == ["1000", "1000"]
    assert "CapEff:\t0000000000000000" in out


def test_a_number_is_never_the_name_of_a_user(server: Server, host: Preg, repository: str, oci_runtime: str) -> None:
    shell = busybox()
    users = {"etc/passwd": File(b"1000:x:0:0::/root:/bin/sh\n"), "etc/group": File(b"2000:x:0:\n")}
    image = Image((*shell.tars, layer(users)), {**shell.settings, "User": "1000"})
    name = made(server, host, repository, image)
    run = ["run", "--rm", "--network", "none", "--runtime", oci_runtime]
    assert host.ok(*run, name, "id") == "uid=1000 gid=0(2000) groups=0(2000)\n"
    for options, expected in ((["-u", "1000:2000"], "2000\n"), (["-u", "5", "--group-add", "2000"], "0 2000\n")):
        if oci_runtime.endswith("runc"):
            # It looks the number up among the names by itself.
            assert "use crun, or another group" in host.fails(*run, *options, name, "id", "-G", status=125)
        else:
            assert host.ok(*run, *options, name, "id", "-G") == expected
    container = host.ok("run", "-d", *run[2:], "-u", "5", name, "sleep", "1000").strip()
    assert host.ok("exec", "-u", "1000", container, "id", "-u") == "1000\n"
    host.ok("rm", "-f", container)


def test_a_users_file_that_leads_out_of_the_image_is_not_the_hosts(
    server: Server, host: Preg, repository: str, oci_runtime: str
) -> None:
    (hosts_own,) = [line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines() if ":x:1:" in line]
    shell = busybox()
    outside = layer({"etc/passwd": File(link="../../../../../../../../etc/passwd")})
    image = Image((*shell.tars, outside), {**shell.settings, "User": hosts_own})
    name = made(server, host, repository, image)
    done = host.run("run", "--rm", "--runtime", oci_runtime, name, "true")
    assert done.returncode == 125
    assert f"no user '{hosts_own}'" in done.stderr


def test_an_image_that_is_not_here_is_pulled(server: Server, preg: Preg, repository: str, oci_runtime: str) -> None:
    push(server, repository, "latest", busybox("fetched"))
    words = ["run", "--rm", "--runtime", oci_runtime, f"{server.address}/{repository}"]
    assert preg.ok(*words) == "fetched"
    with server.recording() as requests:
        assert preg.ok(*words) == "fetched"
    assert requests == []


def test_many_at_once_do_not_meet(host: Preg, container: list[str]) -> None:
    processes = [
        subprocess.Popen(host.command(*container, "sh", "-c", f"echo {n}"), env=host.environ, stdout=subprocess.PIPE)
        for n in range(6)
    ]
    said = [process.communicate()[0] for process in processes]
    assert said == [b"%d\n" % n for n in range(6)]
    assert [process.returncode for process in processes] == [0] * 6


def test_the_containers_root_is_not_open_to_others(host: Preg, container: list[str]) -> None:
    host.ok(*container, "true")
    for name in ("layers", "references", "content/sha256"):
        assert stat.S_IMODE((host.home / name).stat().st_mode) == 0o700


@contextlib.contextmanager
def started(host: Preg, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running preg, ended if the test fails before it ends by itself."""
    command = host.command(*arguments)
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=host.environ, text=True, **streams) as process:
        try:
            yield process
        finally:
            # Not to be waited for: what goes wrong may be that it does not end. The next run removes the container.
            process.kill()


def running(*command: str) -> list[int]:
    """The processes of this host with exactly these words."""
    wanted = b"".join(word.encode() + b"\0" for word in command)
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if path.read_bytes() == wanted:
                found.append(int(path.parent.name))
    return found


def test_the_callers_umask_is_not_the_containers(host: Preg, image: str, tmp_path: Path) -> None:
    script = "umask; ls -ld / /made /work"
    words = ["run", "--rm", "-u", "1000", "-v", f"{tmp_path}/made:/made", "-w", "/work", image, "sh", "-c", script]
    told = subprocess.check_output(host.command(*words), env=host.environ, text=True, umask=0o077)
    umask, *folders = told.splitlines()
    assert (umask, [folder.split()[0] for folder in folders]) == ("0022", ["drwxr-xr-x"] * 3)


@pytest.mark.usefixtures("runnable")
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_made_has_our_modes_whatever_the_callers_umask(
    umask: int, server: Server, preg: Preg, repository: str, tmp_path: Path
) -> None:
    push(server, repository, "1", busybox())
    name = f"{server.address}/{repository}:1"

    def ok(*words: str) -> str:
        return subprocess.check_output(preg.command(*words), env=preg.environ, text=True, umask=umask)

    container = ok("create", "-v", "data:/made/data", "-v", f"{tmp_path}/new:/new", name, "sleep", "1000").strip()
    (tmp_path / "copied").touch(0o644)
    ok("cp", str(tmp_path / "copied"), f"{container}:/tmp/")
    ok("network", "create", "between")
    ok("start", container)
    try:
        modes = ok("exec", "-u", "1000", container, "busybox", "stat", "-c", "%a", "/", "/made", "/made/data", "/new")
        assert modes.split() == ["755"] * 4
        for place in (preg.home, preg.state):
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
            made = [path for path in place.rglob("*") if "root" not in path.parts and not path.is_symlink()]
            assert len(made) > 10
            assert [path for path in made if path.stat().st_mode & 0o022 and "upper" not in path.parts] == []
    finally:
        ok("rm", "-f", container)
        ok("network", "rm", "between")
        unmount_below(preg.home)


def test_the_callers_directory_may_be_gone(host: Preg, image: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *host.command("run", "--rm", image, "echo", "here")]
    done = subprocess.run(command, env=host.environ, cwd=gone, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("here\n", "")


@pytest.mark.parametrize("words", [("-e", b"A=\xff"), ("-l", b"a=\xff"), ("-v", b"/tmp/\xff:/data"), ("-h", b"\xe9")])
def test_what_is_no_text_is_refused_before_anything_is_made(words: tuple[str, bytes], host: Preg, image: str) -> None:
    option, value = words
    assert "no UTF-8 text" in host.fails("run", option, os.fsdecode(value), "--name", "odd", image, "true", status=125)
    assert host.ok("ps", "-aq", "--filter", "name=odd") == ""
    assert "no UTF-8 text" in host.fails("create", image, "echo", os.fsdecode(value), status=2)


def test_a_variable_of_ours_that_is_no_text_is_refused(host: Preg, image: str) -> None:
    environ = host.environ | {"ODD": os.fsdecode(b"\xff")}
    command = host.command("run", "--rm", "-e", "ODD", image, "true")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
