"""Containers of a user other than root, for real: who owns what, what a process may do, and what is left."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.parts.images import Image, busybox, push
from tests.parts.process import PATIENCE, ending, kill, parent
from tests.parts.required import ROOT, required
from tests.parts.server import Server
from tests.parts.unprivileged import FIRST, UID, User, unprivileged
from tests.runtime.archives import CHR, DIR, END, file, header
from tests.runtime.conftest import Preg


@dataclass(frozen=True)
class Rootless(Preg):
    """The ``preg`` command of a user other than root."""

    user: User = field(kw_only=True)

    def command(self, *arguments: str) -> list[str]:
        return [*self.user.words, *super().command(*arguments)]


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    with unprivileged() as made:
        yield made


@pytest.fixture(scope="module")
def host(user: User) -> Iterator[Rootless]:
    made = Rootless(user.home / "preg", user=user)
    yield made
    for left in made.ok("ps", "-aq").split():  # by a test that failed
        made.run("rm", "-f", left)


@pytest.fixture(scope="module")
def name(server: Server) -> str:
    """An image whose files belong to several users, and that hides some of its own."""
    shell = busybox("hello")
    lower = header(b"work/", DIR, mode=0o755, owner=(1000, 1000)) + header(b"work/file", owner=(1000, 50))
    lower += file(b"work/gone") + file(b"old/gone") + header(b"null", CHR, device=(1, 3)) + END
    upper = file(b"work/.wh.gone") + file(b"old/.wh..wh..opq") + file(b"old/new") + END
    settings = {**shell.settings, "Env": ["PATH=/bin"]}
    push(server, "tests/rootless", "1", Image((*shell.tars, lower, upper), settings))
    push(server, "tests/rootless", "user", Image((*shell.tars, lower), {**settings, "User": "user:50"}))
    return f"{server.address}/tests/rootless"


@pytest.fixture(scope="module")
def image(host: Rootless, name: str) -> str:
    """The same, on the user's host."""
    host.ok("pull", f"{name}:1")
    host.ok("pull", f"{name}:user")
    return f"{name}:1"


@pytest.fixture(params=["crun", "runc"])
def container(host: Rootless, image: str, request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The words before a command; nothing may be left of any container after the test."""
    yield ["run", "--rm", "--runtime", required(request.param), image]
    assert host.left() == []
    assert list((host.state / "containers").iterdir()) == []


def test_files_have_the_owners_that_the_image_says(host: Rootless, container: list[str]) -> None:
    done = host.run(*container, "sh", "-c", "ls -ln work; ls old; test -e null; echo $?; exit 7")
    assert done.returncode == 7, done.stderr
    total, row, old, null = done.stdout.splitlines()
    assert row.split()[2:4] == ["1000", "50"]
    assert row.endswith(" file")
    assert (total, old, null) == ("total 0", "new", "1")


def test_a_process_is_as_weak_as_roots(host: Rootless, container: list[str]) -> None:
    script = "cat /proc/self/status; cat /proc/self/uid_map; ls -d /proc/[0-9]*; cat /proc/kcore /sys/fs/cgroup/*"
    said = host.run(*container, "sh", "-c", script).stdout.splitlines()
    state = dict(line.split(":\t", 1) for line in said if ":\t" in line)
    assert state["CapEff"] == state["CapPrm"] == state["CapBnd"] == "00000000a80425fb"
    assert (state["Seccomp"], state["NoNewPrivs"]) == ("2", "0")
    assert state["CapInh"] == state["CapAmb"] == "0000000000000000"
    assert [line.split() for line in said if line.startswith(" ")] == [
        ["0", str(UID), "1"],
        ["1", str(FIRST), "65536"],
    ]
    assert {line for line in said if line.startswith("/proc/")} <= {"/proc/1", "/proc/2", "/proc/3", "/proc/4"}


def test_what_users_write_is_theirs_inside_and_the_callers_outside(host: Rootless, image: str) -> None:
    there = host.user.home / "shared"
    script = "echo kept > /work/mine; echo mine > /shared/mine; id; ls -ln /work"
    options = ["--name", "writer", "-v", f"{there}:/shared"]
    done = host.run("run", *options, image.replace(":1", ":user"), "sh", "-c", script)
    try:
        assert "uid=1000(user) gid=50" in done.stdout
        assert "/shared/mine: Permission denied" in done.stderr
        (left,) = host.left()
        found = (left / "upper/work/mine").stat()
        assert (found.st_uid, found.st_gid) == (FIRST + 999, FIRST + 49)
    finally:
        host.ok("rm", "writer")
    assert not left.exists()
    host.ok("run", "--rm", "-v", f"{there}:/shared", image, "sh", "-c", "echo mine > /shared/mine")
    assert (there / "mine").stat().st_uid == UID
    assert not there.stat().st_mode & 0o002


def test_a_volume_keeps_its_data_and_its_owners(host: Rootless, image: str) -> None:
    words = ["run", "--rm", "-v", "kept:/work"]
    host.ok(*words, image.replace(":1", ":user"), "sh", "-c", "mkdir -m 700 /work/mine && echo data > /work/mine/data")
    assert (host.home / "volumes/kept/data/mine/data").stat().st_uid == FIRST + 999
    assert host.ok(*words, image, "sh", "-c", "ls -ln /work; cat /work/mine/data").splitlines()[-1] == "data"
    assert host.ok("volume", "rm", "kept") == "kept\n"
    assert list((host.home / "volumes/.new").iterdir()) == []


@pytest.mark.parametrize("engine", ["crun", "runc"])
def test_commands_reach_into_a_container_that_runs(host: Rootless, image: str, engine: str, user: User) -> None:
    (user.home / "sent").write_text("sent")
    os.chown(user.home / "sent", UID, UID)
    words = ["--runtime", required(engine), image.replace(":1", ":user"), "sh", "-c", "sleep 1000; :"]
    host.ok("run", "-d", "--name", "reached", "--network", "none", *words)
    try:
        done = host.run("exec", "reached", "sh", "-c", "id; exit 4")
        assert (done.returncode, done.stdout.split()[0]) == (4, "uid=1000(user)"), done.stderr
        host.ok("cp", "sent", "reached:/work/sent")
        assert host.ok("exec", "reached", "ls", "-ln", "/work/sent").split()[2:4] == ["0", "0"]
        host.ok("exec", "reached", "sh", "-c", "umask 077; echo secret > /work/secret")
        host.ok("cp", "reached:/work/secret", "fetched")
        assert (user.home / "fetched").read_text() == "secret\n"
        assert (user.home / "fetched").stat().st_uid == UID
        assert set(host.ok("diff", "reached").split()) >= {"/work/sent", "/work/secret"}
        assert "sleep 1000" in host.ok("top", "reached")
        host.ok("stop", "-t", "0", "reached")
        assert "secret" in host.ok("cp", "reached:/work/secret", "-")
    finally:
        host.ok("rm", "-f", "reached")


def test_an_image_is_removed_with_files_of_all_owners(host: Rootless, name: str) -> None:
    other = Rootless(host.user.home / "other", user=host.user)
    other.ok("pull", f"{name}:1")
    layers = other.home / "layers"
    assert {path.stat().st_uid for path in layers.rglob("work")} == {UID, FIRST + 999}
    other.ok("rmi", f"{name}:1")
    assert list(layers.iterdir()) == []
    assert list((other.home / "new").iterdir()) == []


@pytest.mark.parametrize("engine", ["crun", "runc"])
def test_a_container_lives_on_and_is_stopped_started_and_removed(host: Rootless, image: str, engine: str) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo up; touch /work/x; while :; do sleep 0.1; done"
    words = ["--runtime", required(engine), "--stop-signal", "TERM", image, "sh", "-c", script]
    identifier = host.ok("run", "-d", "--name", "long", *words).strip()
    assert host.ok("ps", "-q", "--no-trunc").strip() == identifier
    with host.following("logs", "-f", "long") as lines:
        assert next(lines) == "up"
    host.ok("stop", "long")
    assert host.ok("wait", "long").strip() == "3"
    host.ok("start", "long")
    assert "running" in host.fails("rm", "long")
    host.ok("kill", "long")
    assert host.ok("logs", "long").splitlines()[:2] == ["up", "bye"]
    host.ok("start", "long")
    host.ok("rm", "-f", "long")
    assert host.ok("ps", "-aq") == ""
    assert host.left() == []


def test_a_terminal_or_the_hosts_network_is_given(host: Rootless, container: list[str]) -> None:
    start, *rest = container
    own = os.stat("/proc/self/ns/net").st_ino
    script = (
        "ls -l /proc/self/ns/net; echo > /sys/kernel/new; ls -A /sys/fs/cgroup; test -d /sys/class/net && echo seen"
    )
    done = host.run(start, "-t", "--network", "host", *rest, "sh", "-c", script)
    assert f"net:[{own}]" in done.stdout, done.stderr
    assert done.stdout.splitlines()[1].endswith("Read-only file system")
    assert [line.strip() for line in done.stdout.splitlines()[2:]] == ["seen"]


def test_a_published_port_leads_to_the_container_and_ends_with_it(host: Rootless, image: str) -> None:
    required("slirp4netns")
    serve = ("busybox", "httpd", "-f", "-p", "80", "-h", "/")
    identifier = host.ok("run", "-d", "--rm", "--name", "web", "-p", "127.0.0.1::80", image, *serve).strip()
    try:
        address = host.ok("port", "web", "80").strip()
        assert fetch(f"http://{address}/text") == b"hello"
        assert f"{address}->80/tcp" in host.ok("ps")
        with ending(carrier_of(host, identifier)):
            host.ok("rm", "-f", "web")
    finally:
        host.run("rm", "-f", "web")


def test_a_carrier_of_a_killed_supervisor_ends(host: Rootless, image: str) -> None:
    required("slirp4netns")
    identifier = host.ok("run", "-d", "--rm", image, "sleep", "1000").strip()
    with ending(first_of(host, identifier)), ending(carrier_of(host, identifier)):
        kill(parent(first_of(host, identifier)))
        assert host.ok("ps", "-q") == ""


def test_a_supervisor_is_small_also_where_the_image_was_pulled(host: Rootless, server: Server) -> None:
    required("crun")
    push(server, "tests/small", "1", busybox())
    words = ("--network", "none", f"{server.address}/tests/small:1", "sleep", "1000")
    identifier = host.ok("run", "-d", "--rm", *words).strip()
    lines = Path(f"/proc/{parent(first_of(host, identifier))}/smaps_rollup").read_text().splitlines()
    (size,) = [int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")]
    host.ok("rm", "-f", identifier)
    assert size <= 6 * 1024


def test_a_container_reaches_no_server_on_the_hosts_loopback(host: Rootless, image: str, server: Server) -> None:
    required("slirp4netns")
    port = server.address.rpartition(":")[2]
    script = f"ls /sys/class/net; echo | busybox nc -w 5 10.0.2.2 {port} || echo refused"
    assert host.ok("run", "--rm", image, "sh", "-c", script).split() == ["eth0", "lo", "refused"]


def test_what_a_host_can_do_is_told_as_its_user_sees_it(host: Rootless, image: str) -> None:
    assert json.loads(host.ok("info", "--format", "json")).items() >= {"Rootless": True, "CgroupDriver": "none"}.items()
    (lack,) = host.ok("system", "check").splitlines()
    assert lack.startswith("you have no control groups, ")


def test_what_a_reboot_may_forget_is_in_the_users_own_directory(host: Rootless, user: User) -> None:
    def state(place: Path) -> str:
        """Where it is for who is told that this is the user's directory."""
        environ = {**host.environ, "XDG_RUNTIME_DIR": str(place)}
        del environ["PREG_STATE"]
        words = host.command("info", "--format", "StateDir")
        return subprocess.run(words, env=environ, capture_output=True, text=True, check=False).stdout.strip()

    assert state(user.home) == f"{user.home}/preg"
    # What su leaves of root's.
    assert state(Path("/run")) == f"{host.home}/state"


def test_a_directory_that_is_closed_to_the_user_is_no_hindrance(host: Rootless, image: str, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    place = (*host.user.place, f"--wd={tmp_path / 'closed'}")
    assert replace(host, user=replace(host.user, place=place)).ok("run", "--rm", image, "echo", "runs") == "runs\n"


def test_what_takes_root_is_told(host: Rootless, image: str) -> None:
    assert "low ports are root's" in host.fails("run", "--rm", "-p", "127.0.0.1:80:80", image, "true", status=125)
    assert "control groups" in host.fails("run", "--rm", "--memory", "64m", image, "true", status=125)
    assert host.left() == []


def first_of(host: Rootless, identifier: str) -> int:
    """The first process of a container."""
    return int(host.ok("inspect", "-f", "State.Pid", identifier))


def carrier_of(host: Rootless, identifier: str) -> int:
    """The program that carries the packets of a container."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is not for us to see
            if os.readlink(path / "fd/1").startswith(f"{host.state}/containers/{identifier}/"):
                return int(path.name)
    raise AssertionError(f"nobody carries the packets of {identifier}")


def fetch(url: str) -> bytes:
    """What a server answers; it may just be starting."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url) as answer:  # noqa: S310 - a server of ours
                content: bytes = answer.read()
                return content
        except OSError:
            if time.monotonic() > deadline:
                raise


def test_what_is_the_hosts_can_be_shared(host: Rootless, container: list[str]) -> None:
    start, *rest = container
    options = ["--ipc", "host", "--uts", "host", "--pid", "host", "--network", "none", "--read-only", "--init"]
    script = "ls -l /proc/self/ns; echo > /new || echo refused"
    said = host.ok(start, *options, *rest, "sh", "-c", script)
    for kind in ("ipc", "uts", "pid"):
        assert f"{kind}:[{os.stat(f'/proc/self/ns/{kind}').st_ino}]" in said
    assert said.splitlines()[-1] == "refused"


def test_a_user_beyond_the_ranges_is_told_so(host: Rootless, container: list[str]) -> None:
    start, *rest = container
    done = host.fails(start, "-u", "99999", *rest, "true", status=125)
    assert "run as 99999:0, and the ranges of /etc/subuid and /etc/subgid end at 65537:65537" in done


def test_whoever_is_left_by_a_killed_supervisor_is_ended(host: Rootless, container: list[str], image: str) -> None:
    start, *rest = container
    script = "echo ready; sleep 1000; :"
    identifier = host.ok(start, "-d", *rest[:-1], image.replace(":1", ":user"), "sh", "-c", script).strip()
    with host.following("logs", "-f", identifier) as lines:
        assert next(lines) == "ready"
    pid = first_of(host, identifier)
    assert Path(f"/proc/{pid}").stat().st_uid == FIRST + 999
    with ending(pid):
        kill(parent(pid))
        assert host.ok("ps", "-q") == ""


def test_hostile_layers_are_as_harmless_inside(user: User) -> None:
    script = "import sys, pytest; from runtime.rootless import enter; enter(); sys.exit(pytest.main(sys.argv[1:]))"
    # Those of the other way to keep layers, and of devices, which are root's, are left out, as is the longest.
    wanted = "not erofs and not devices_are_made and not as_deep"
    words = ["-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", f"--basetemp={user.home}/corpus", "-k", wanted]
    corpus = str(ROOT / "tests/runtime/test_hostile_layers.py")
    done = subprocess.run(
        [*user.words, sys.executable, "-c", script, *words, "-c", str(ROOT / "pyproject.toml"), corpus],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 40


def test_who_has_no_ranges_is_told_and_has_one_user(name: str) -> None:
    with unprivileged(ranges=False) as poor:
        host = Rootless(poor.home / "preg", user=poor)
        done = host.run("run", "--rm", f"{name}:1", "ls", "-ln", "work")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[1].split()[2:4] == ["0", "0"]
        (warning,) = [line for line in done.stderr.splitlines() if line.startswith("preg: warning: ")]
        assert "usermod --add-subuids" in warning


def test_a_host_without_uidmap_is_told_what_to_install(host: Rootless, name: str) -> None:
    environ = {**host.environ, "PATH": "/nowhere"}
    command = host.command("run", f"{name}:1")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.endswith("newuidmap is not installed: apt install uidmap\n")


def test_a_host_that_forbids_user_namespaces_is_told_what_to_set(host: Rootless, name: str) -> None:
    forbidden = Rootless(host.home, user=replace(host.user, kept_from_namespaces=True))
    assert forbidden.fails("run", f"{name}:1", status=125).endswith("sysctl user.max_user_namespaces=10000")


def test_volumes_that_are_file_systems_are_each_containers_own(
    host: Rootless, image: str, container: list[str], user: User
) -> None:
    folder = user.home / "data"
    folder.mkdir(exist_ok=True)
    os.chown(folder, UID, UID)
    host.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "memory")
    host.ok("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={folder}", "local")
    host.ok("volume", "create", "-o", "type=nfs", "-o", "o=addr=127.0.0.1", "-o", "device=:/", "remote")
    options = ("-v", "memory:/m", "-v", "local:/l", "--mount", f"type=image,src={image},dst=/i,image-subpath=work")
    script = "echo 1 > /m/x; echo 2 > /l/x; cat /m/x; cat /i/file; echo 3 > /i/file"
    done = host.run(*container[:-1], *options, image, "sh", "-c", script)
    assert done.stdout == "1\n"
    assert "Read-only file system" in done.stderr
    assert (folder / "x").read_text() == "2\n"
    assert host.ok(*container[:-1], "-v", "memory:/m", image, "ls", "/m") == ""
    assert "cannot be mounted: type=nfs" in host.fails(*container[:-1], "-v", "remote:/m", image, "true", status=125)
    host.ok("volume", "rm", "memory", "local", "remote")
    assert (folder / "x").exists()


def test_a_policy_is_changed_and_limits_that_cannot_be_are_told(host: Rootless, image: str) -> None:
    host.ok("run", "-d", "--name", "changed", image, "sleep", "1000")
    host.ok("update", "--restart", "on-failure:2", "changed")
    assert host.ok("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "changed") == "on-failure\n"
    said = host.fails("run", "--rm", "--cgroup-parent", "/x", image, "true", status=125)
    assert "control groups that are root's to make" in said
    assert "kept by control groups" in host.fails("update", "--memory", "64m", "changed")
    host.ok("rm", "-f", "changed")
