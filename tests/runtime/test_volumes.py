"""Volumes for real: what is in them first, who has them, and that what is in them stays."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import filling
from runtime.bundle import Wishes
from runtime.errors import Fault, UsageError
from runtime.filling import fill
from runtime.mounts import Tmpfs
from runtime.provision import complete
from runtime.volumes import Volumes
from tests.parts.docker import Docker
from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.mounts import below
from tests.parts.process import kill, parent
from tests.parts.required import require_root
from tests.parts.server import Server
from tests.runtime.archives import DIR, END, FIFO, HARD, REG, SYM, header, listing, padded, pax, timeless
from tests.runtime.conftest import Preg

#: What an image may have where a volume comes to lie: owners, modes, links of both kinds, and more.
CONTENT = b"".join(
    [
        header(b"data/", DIR, mode=0o1775, owner=(1000, 1001)),
        pax({"SCHILY.xattr.user.note": b"kept"}),
        header(b"data/file", REG, size=5, mode=0o4711, owner=(7, 8)) + padded(b"12345"),
        header(b"data/twin", HARD, mode=0o4711, owner=(7, 8), link=b"data/file"),
        header(b"data/link", SYM, link=b"/etc/passwd", owner=(9, 9)),
        header(b"data/sub/", DIR, mode=0o700, owner=(1000, 1000), mtime=1_100_000_000),
        header(b"data/sub/pipe", FIFO, mode=0o640),
        header(b"led/", DIR),
        header(b"led/to", SYM, link=b"../data"),
        END,
    ]
)


@pytest.fixture(scope="module")
def image(server: Server, host: Preg) -> str:
    """An image with something in ``/data``, and a volume of its own at ``/own``."""
    require_root()
    shell = busybox()
    made = Image((*shell.tars, CONTENT, layer({"own/first": File(b"x")})), {**shell.settings, "Volumes": {"/own": {}}})
    push(server, "tests/volumes", "1", made)
    name = f"{server.address}/tests/volumes:1"
    host.ok("pull", name)
    return name


@pytest.fixture(autouse=True)
def clean(host: Preg) -> Iterator[None]:
    """Nothing may be left of any test."""
    yield
    for identifier in host.ok("ps", "-aq").split():
        host.ok("rm", "-f", "-v", identifier)
    host.ok("volume", "prune", "--all", "-f")
    assert host.ok("volume", "ls", "-q") == ""
    assert list(host.home.glob("volumes/.new/*")) == []
    assert below(host.home / "containers") == []


def names(host: Preg, *arguments: str) -> list[str]:
    return host.ok("volume", "ls", "-q", *arguments).split()


def test_what_is_in_a_volume_outlives_containers(host: Preg, image: str, oci_runtime: str) -> None:
    words = ["run", "--rm", "--runtime", oci_runtime, "-v", "kept:/kept", image, "sh", "-c"]
    host.ok(*words, "echo one > /kept/file")
    assert host.ok(*words, "cat /kept/file") == "one\n"
    host.ok("run", "-d", "--name", "killed", "-v", "kept:/kept", image, "sh", "-c", "echo two > /kept/file; sleep 1000")
    host.ok("run", "--rm", "-v", "kept:/kept", image, "sh", "-c", "until grep -q two /kept/file; do sleep 0.05; done")
    os.kill(int(host.ok("inspect", "-f", "State.Pid", "killed")), signal.SIGKILL)
    assert host.ok("wait", "killed") == "137\n"
    host.ok("rm", "-v", "killed")
    assert host.ok(*words, "cat /kept/file") == "two\n"
    assert names(host) == ["kept"]


def test_a_volume_is_filled_with_all_that_the_image_has_there(
    host: Preg, image: str, server: Server, docker: Docker
) -> None:
    host.ok("run", "--rm", "-v", "full:/data", image, "true")
    docker("pull", image)
    docker("run", "--rm", "--network", "none", "-v", "full:/data", image, "true")
    theirs = Path(json.loads(docker("volume", "inspect", "full"))[0]["Mountpoint"])
    ours = Path(json.loads(host.ok("volume", "inspect", "full"))[0]["Mountpoint"])
    found = listing(ours)
    # Docker does not keep the times of directories.
    assert timeless(found) == timeless(listing(theirs))
    assert found["sub"][2] == 1_100_000_000 * 10**9
    assert (found["file"][0], found["file"][4], found["file"][6]) == ("-rws--x--x", 2, {"user.note": b"kept"})
    docker("volume", "rm", "full")


def test_only_an_empty_volume_is_filled_and_only_by_a_new_container(host: Preg, image: str) -> None:
    def inside(*options: str) -> list[str]:
        return host.ok("run", "--rm", *options, image, "ls", "/data").split()

    whole = ["file", "link", "sub", "twin"]
    assert inside("-v", "bare:/data:nocopy") == []
    assert inside("--mount", "source=bare,target=/data,volume-nocopy") == []
    assert inside("-v", "bare:/data") == whole
    host.ok("run", "--rm", "-v", "bare:/data", image, "sh", "-c", "rm -r /data/*; echo > /data/mine")
    assert inside("-v", "bare:/data") == ["mine"]
    host.ok("create", "--name", "old", "-v", "other:/data", image, "sh", "-c", "ls /data; rm -rf /data/*")
    assert host.ok("start", "-a", "old").split() == whole
    assert host.ok("start", "-a", "old").split() == []


def test_a_container_that_is_only_made_fills_its_volumes_for_those_that_take_them_over(host: Preg, image: str) -> None:
    host.ok("create", "--name", "code", "-v", "/data", "-v", "shared:/more", "--mount", "type=tmpfs,target=/t", image)
    words = ["run", "--rm", "--volumes-from"]
    assert host.ok(*words, "code", image, "ls", "/data").split() == ["file", "link", "sub", "twin"]
    done = host.run(*words, "code:ro", image, "sh", "-c", "echo > /more/x")
    assert "Read-only file system" in done.stderr
    assert (
        host.ok(*words, "code", "-v", "own:/data:nocopy", image, "sh", "-c", "ls /data; ls -d /t || echo").strip() == ""
    )
    assert "there is no container 'gone'" in host.fails(*words, "gone", image, status=125)
    assert "it is CONTAINER[:ro]" in host.fails(*words, "code:x", image, status=125)
    host.ok("rm", "-v", "code")
    assert names(host) == ["own", "shared"]


def test_a_target_that_is_a_link_stays_within_the_root(host: Preg, image: str, oci_runtime: str) -> None:
    host.ok("run", "--rm", "--runtime", oci_runtime, "-v", "led:/led/to", image, "sh", "-c", "echo x > /data/new")
    assert "new" in os.listdir(Volumes(str(host.home)).data("led"))
    assert "file" in os.listdir(Volumes(str(host.home)).data("led"))


def test_a_file_of_the_image_cannot_become_a_volume(host: Preg, image: str) -> None:
    assert "the image has a file at /text" in host.fails("run", "--rm", "-v", "data:/text", image, "true", status=125)


def test_volumes_without_a_name_go_with_their_container(host: Preg, image: str) -> None:
    assert host.ok("run", "--rm", "-v", "/more", image, "ls", "/own") == "first\n"
    assert names(host) == []
    host.ok("run", "--name", "stays", "-v", "/more", "-v", "named:/n", image, "true")
    assert len(names(host)) == 3
    host.ok("rm", "-v", "stays")
    assert names(host) == ["named"]
    host.ok("run", "--name", "stays", "-v", "mine:/own", image, "true")
    assert names(host) == ["mine", "named"]
    host.ok("rm", "stays")
    host.ok("run", "--name", "stays", image, "true")
    host.ok("rm", "stays")
    assert len(names(host)) == 3
    assert names(host, "--filter", "dangling=true") == names(host)
    host.ok("volume", "prune", "-f")
    assert names(host) == ["mine", "named"]


def test_volumes_of_a_container_that_is_killed_with_its_supervisor_go_as_well(host: Preg, image: str) -> None:
    identifier = host.ok("run", "-d", "--rm", image, "sleep", "1000").strip()
    kill(parent(int(host.ok("inspect", "-f", "State.Pid", identifier))))
    host.ok("ps")
    assert names(host) == []


def test_a_volume_in_use_is_not_removed(host: Preg, image: str) -> None:
    host.ok("create", "--name", "user", "-v", "used:/used", image)
    assert host.fails("volume", "rm", "used").startswith("the volume used is in use by user:")
    host.ok("rm", "-v", "user")
    assert names(host) == ["used"]
    assert host.ok("volume", "rm", "-f", "used") == "used\n"
    assert "there is no volume 'used'" in host.fails("volume", "rm", "used")


def test_a_volume_is_described_as_docker_describes_it(host: Preg, docker: Docker) -> None:
    create = ["volume", "create", "--label", "a=b", "--label", "c", "--driver", "local", "described"]
    for command in (host.ok, docker):
        assert command(*create).strip() == "described"
        assert command(*create).strip() == "described"
    (ours,) = json.loads(host.ok("volume", "inspect", "described"))
    (theirs,) = json.loads(docker("volume", "inspect", "described"))
    assert ours.keys() == theirs.keys()
    for key in ("Driver", "Labels", "Name", "Scope"):
        assert ours[key] == theirs[key]
    words = ["volume", "ls", "--filter", "label=a=b"]
    assert host.ok(*words).split() == docker(*words).split()
    listed = json.loads(host.ok(*words, "--format", "json"))
    shown = json.loads(docker(*words, "--format", "{{json .}}"))
    assert {key: value for key, value in shown.items() if key in listed and key not in ("Mountpoint", "Labels")} == {
        key: value for key, value in listed.items() if key not in ("Mountpoint", "Labels")
    }
    assert sorted(listed["Labels"].split(",")) == sorted(shown["Labels"].split(","))
    for filters in ("label=c", "driver=local", "name=scrib", "label=a"):
        assert names(host, "--filter", filters) == ["described"]
    for filters in ("label=c=d", "driver=other", "name=nothing", "dangling=false"):
        assert names(host, "--filter", filters) == []
    assert host.ok("volume", "ls", "--format", "Name,Driver") == "described\tlocal\n"
    docker("volume", "rm", "described")


@pytest.mark.parametrize("options", [["-v", "one:/m:ro"], ["--mount", "src=one,dst=/m,ro"]])
def test_a_volume_can_be_read_only(options: list[str], host: Preg, image: str, oci_runtime: str) -> None:
    done = host.run("run", "--rm", "--runtime", oci_runtime, *options, image, "sh", "-c", "echo x > /m/file")
    assert "Read-only file system" in done.stderr


def test_a_read_only_path_is_so_with_what_is_mounted_below(
    host: Preg, image: str, oci_runtime: str, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    script = f'mount -t tmpfs none {tmp_path}/below && exec "$@"'

    def tries(option: str, value: str) -> str:
        words = ["run", "--rm", "--runtime", oci_runtime, option, value, image, "sh", "-c"]
        command = host.command(*words, "echo > /m/below/x && echo written")
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", *command],
            env=host.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout + done.stderr

    assert "Read-only file system" in tries("-v", f"{tmp_path}:/m:ro")
    assert "Read-only file system" in tries("--mount", f"type=bind,src={tmp_path},dst=/m,readonly")
    writable = f"type=bind,src={tmp_path},dst=/m,readonly,bind-recursive=writable"
    assert tries("--mount", writable) == "written\n"
    flat = f"type=bind,src={tmp_path},dst=/m,bind-recursive=disabled"
    assert tries("--mount", flat) == "written\n"
    assert (tmp_path / "below/x").exists()


def test_mounts_lie_in_each_other_whatever_their_order(
    host: Preg, image: str, oci_runtime: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("host\n")
    options = ["-v", f"{tmp_path}/file:/m/volume/file", "-v", "deep:/m/volume", "--mount", "type=tmpfs,target=/m"]
    script = "cat /m/volume/file; while read _ path _; do case $path in /m*) echo $path;; esac; done < /proc/mounts"
    out = host.ok("run", "--rm", "--runtime", oci_runtime, *options, image, "sh", "-c", script)
    assert out.split() == ["host", "/m", "/m/volume", "/m/volume/file"]


def test_a_tmpfs_has_dockers_options(host: Preg, image: str, docker: Docker) -> None:
    words = ["--mount", "type=tmpfs,target=/m,tmpfs-size=1m,tmpfs-mode=1770", image, "sh", "-c"]
    script = "grep ' /m ' /proc/mounts; ls -ld /m"
    docker("pull", image)
    theirs = docker("run", "--rm", "--network", "none", *words, script).split()
    ours = host.ok("run", "--rm", *words, script).split()
    assert sorted(ours[3].split(",")) == sorted(theirs[3].split(","))
    assert ours[6] == theirs[6] == "drwxrwx--T"


def test_inspect_tells_of_mounts_what_docker_tells(host: Preg, image: str, docker: Docker, tmp_path: Path) -> None:
    options = [
        *("-v", f"{tmp_path}:/bound:ro,rslave"),
        *("--mount", f"type=bind,source={tmp_path},target=/bound2,bind-propagation=rshared"),
        *("--mount", "type=volume,source=named,target=/volume,readonly"),
        *("--mount", "type=tmpfs,target=/memory"),
    ]
    docker("pull", image)
    docker("create", "--name", "told", *options, image)
    host.ok("create", "--name", "told", *options, image)

    def told(command: str) -> dict[str, dict[str, object]]:
        found = {mount["Destination"]: mount for mount in json.loads(command)[0]["Mounts"]}
        for mount in found.values():
            if mount["Type"] == "volume":
                mount["Source"] = Path(mount["Source"]).name.strip("_")
                # Docker relabels volumes on hosts with SELinux.
                mount["Mode"] = mount["Mode"].replace("z", "")
        assert len(found.pop("/own")["Name"]) == 64
        return found

    try:
        assert told(host.ok("inspect", "told")) == told(docker("inspect", "told"))
    finally:
        docker("rm", "-v", "told")
        docker("volume", "rm", "named")


def test_a_missing_path_is_made_for_v_and_a_fault_for_mount(host: Preg, image: str, tmp_path: Path) -> None:
    missing = f"type=bind,source={tmp_path}/no,target=/m"
    assert "there is no" in host.fails("run", "--rm", "--mount", missing, image, "true", status=125)
    (tmp_path / "no").mkdir()
    host.ok("create", "--name", "later", "--mount", missing, image, "true")
    (tmp_path / "no").rmdir()
    assert f"there is no {tmp_path}/no on this host" in host.fails("start", "later")
    host.ok("run", "--rm", "-v", f"{tmp_path}/made/here:/m", image, "true")
    assert (tmp_path / "made/here").is_dir()


def test_many_take_and_remove_a_volume_at_once(host: Preg, image: str) -> None:
    script = "echo x >> /data/mine && test -e /data/file"
    words = [["run", "--rm", "-v", "crowd:/data", image, "sh", "-c", script], ["volume", "rm", "-f", "crowd"]]
    processes = [
        subprocess.Popen(host.command(*words[n % 2]), env=host.environ, stderr=subprocess.PIPE, text=True)
        for n in range(8)
    ]
    for number, process in enumerate(processes):
        _, said = process.communicate()
        if number % 2 == 0:
            assert (process.returncode, said) == (0, "")
        else:
            assert process.returncode == 0 or "is in use by" in said


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A root with something in ``/data``."""
    monkeypatch.setattr(filling, "sync_file_system", lambda _: None)  # a power cut is not tested, and it is slow
    for number in range(3):
        (tmp_path / f"root/data/d{number}").mkdir(parents=True)
        (tmp_path / f"root/data/d{number}/file").write_text("content")
    (tmp_path / "root/data").chmod(0o750)
    (tmp_path / "root/data/link").symlink_to("d1/file")
    opened = os.open(tmp_path / "root", os.O_RDONLY)
    yield opened
    os.close(opened)


def killed_at(step: int, volume: Path, root: int) -> bool:
    """Fill in a process that kills itself before its nth step; whether it came so far."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, _: object) -> None:
            if event.startswith("os.") or event == "open":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        fill(str(volume), root, "/data")
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def test_a_volume_whose_filling_is_killed_is_filled_by_the_next(root: int, tmp_path: Path) -> None:
    whole = timeless(listing(tmp_path / "root/data"))
    for step in range(1, 1000):
        volume = tmp_path / f"volume{step}"
        (volume / "data").mkdir(parents=True)
        killed = killed_at(step, volume, root)
        fill(str(volume), root, "/data")
        assert timeless(listing(volume / "data")) == whole
        assert os.listdir(volume) == ["data"]
        if not killed:
            break
    assert step > 30


def test_what_somebody_wrote_meanwhile_is_not_replaced(root: int, tmp_path: Path) -> None:
    for step in range(1, 1000):
        volume = tmp_path / f"volume{step}"
        (volume / "data").mkdir(parents=True)
        if not killed_at(step, volume, root):
            break
        half = set(os.listdir(volume / "data"))
        (volume / "data/mine").write_text("mine")
        (volume / "data/d1").mkdir(exist_ok=True)
        (volume / "data/d1/file").write_text("mine")
        fill(str(volume), root, "/data")
        assert (volume / "data/mine").read_text() == (volume / "data/d1/file").read_text() == "mine"
        found = set(os.listdir(volume / "data"))
        # Either it was whole, and is moved in, or the volume is not empty any more.
        assert found - {"mine"} in ({"d0", "d1", "d2", "link"}, {"d1"})
        assert half <= found


def test_a_volume_that_was_half_made_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "volumes/.new/abc/half/data").mkdir(parents=True)
    there = Volumes(str(tmp_path))
    assert list(there) == []
    there.make("whole")
    assert [volume.name for volume in there] == ["whole"]
    assert list((tmp_path / "volumes/.new").iterdir()) == []


def test_a_hostile_image_wants_no_volumes_that_no_honest_one_wants() -> None:
    for paths in (["/"], ["../.."], ["\0"], ["/" + "x" * 5000], [f"/{number}" for number in range(102)]):
        with pytest.raises(Fault, match="no honest image does"):
            complete(Wishes(), paths)
    (mount,) = complete(Wishes(tmpfs=(Tmpfs("/memory", ()),)), ["data/../../etc/", "/memory"]).mounts
    assert (mount.target, mount.anonymous, len(mount.source)) == ("/etc", True, 64)


@pytest.mark.parametrize("name", ["a", ".a", "-a", "a/b", "..", "", "ä1", "a" * 256, "a b", "a\n"])
def test_a_name_is_held_to_dockers_rule(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a volume's name"):
        Volumes(str(tmp_path)).make(name)
    assert not (tmp_path / "volumes").exists()
