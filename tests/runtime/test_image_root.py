"""Images whose layers are odd, and what becomes of them as the root of a container."""

import fcntl
import gzip
import json
import os
import select
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.config import DIRECTORIES, EROFS
from runtime.errors import Fault
from runtime.kernel import open_inside
from runtime.mount_points import open_mount_point, resolve
from runtime.users import read_inside
from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.mounts import unmount_below
from tests.parts.required import require_terminals
from tests.parts.server import Server
from tests.runtime.archives import CHR, DIR, END, FIFO, SYM, file, header
from tests.runtime.conftest import Preg

SAME = layer({"same": File(b"1\n")})
GONE = file(b".wh.same") + END
GONE_ETC = file(b".wh.etc") + END
#: BuildKit writes this one for each step that changes nothing.
EMPTY = bytes(1024)


@pytest.fixture(params=[DIRECTORIES, EROFS])
def host(request: pytest.FixtureRequest, tmp_path: Path, runnable: str) -> Iterator[Preg]:
    """A host for each way of keeping layers."""
    host = Preg(tmp_path / "home", layers=request.param)
    yield host
    assert host.left() == []
    unmount_below(tmp_path)


@pytest.fixture
def made(server: Server, repository: str) -> Callable[..., str]:
    """Makes an image with a shell and these layers above it; its name."""

    def make(*tars: bytes, **settings: object) -> str:
        shell = busybox("hello")
        push(server, repository, "1", Image((*shell.tars, *tars), {**shell.settings, **settings}))
        return f"{server.address}/{repository}:1"

    return make


def test_a_layer_may_be_there_more_than_once(
    host: Preg, made: Callable[..., str], server: Server, repository: str, tmp_path: Path
) -> None:
    name = made(EMPTY, SAME, EMPTY, GONE, SAME, EMPTY)
    run = ["run", "--rm", "--network", "none"]
    assert host.ok(*run, name, "cat", "/same", "/text") == "1\nhello"
    container = host.ok("create", name, "sh", "-c", "echo 2 > /same").strip()
    host.ok("start", "-a", container)
    assert host.ok("diff", container) == "C /same\n"
    host.ok("cp", f"{container}:/same", str(tmp_path / "copied"))
    assert (tmp_path / "copied").read_text() == "2\n"
    host.ok("rm", container)
    # It leaves as it came.
    assert len(host.ok("history", "-q", name).split()) == 8
    (told,) = json.loads(host.ok("inspect", name))
    diff_ids = told["RootFS"]["Layers"]
    assert (len(diff_ids), len(set(diff_ids))) == (8, 5)
    host.ok("push", name, f"{server.address}/{repository}/copy:1")
    host.ok("save", "-o", str(tmp_path / "saved.tar"), name)
    host.ok("rmi", name)
    host.ok("pull", f"{server.address}/{repository}/copy:1")
    host.ok("rmi", f"{server.address}/{repository}/copy:1")
    host.ok("load", "-i", str(tmp_path / "saved.tar"))
    assert host.ok(*run, name, "cat", "/same") == "1\n"


def test_of_equal_layers_the_topmost_counts(host: Preg, made: Callable[..., str]) -> None:
    name = made(GONE, SAME, GONE)
    assert "No such file" in host.run("run", "--rm", "--network", "none", name, "cat", "/same").stderr


def test_equal_layers_may_come_in_different_forms(host: Preg, server: Server, repository: str) -> None:
    shell = busybox("hello")
    image = Image((*shell.tars, SAME, SAME), shell.settings)
    again = gzip.compress(SAME, compresslevel=9, mtime=1)
    for content in image.blobs.values():
        server.push_blob(repository, content)
    manifest = json.loads(image.manifest)
    manifest["layers"][-1] |= {"digest": server.push_blob(repository, again), "size": len(again)}
    server.push_manifest(repository, "1", json.dumps(manifest).encode(), manifest["mediaType"])
    name = f"{server.address}/{repository}:1"
    assert host.ok("run", "--rm", "--network", "none", name, "cat", "/same") == "1\n"


@pytest.mark.parametrize("place", ["dev", "proc", "sys", "etc"])
def test_a_link_in_the_place_of_what_is_mounted_leads_nowhere(
    place: str, preg: Preg, made: Callable[..., str], oci_runtime: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    names = ("ptmx", "hosts", "self", "fs")
    for name in names:
        (elsewhere / name).write_text("the host's")
    link = header(place.encode(), SYM, link=str(elsewhere).encode()) + END
    run = ["run", "--rm", "--network", "none", "--runtime", oci_runtime, made(GONE_ETC, link)]
    assert preg.ok(*run, "sh", "-c", f"echo > /dev/null; test -d /{place} -a ! -h /{place} && echo ours") == "ours\n"
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == dict.fromkeys(names, "the host's")


def test_what_tells_of_a_container_is_there_as_with_docker(preg: Preg, made: Callable[..., str]) -> None:
    run = ["run", "--rm", "--network", "none", made()]
    script = "test -f /.dockerenv && busybox readlink /etc/mtab && busybox stat -c %a /.dockerenv /dev /proc /etc/hosts"
    assert preg.ok(*run, "sh", "-c", script).split() == ["/proc/mounts", "755", "755", "555", "644"]


@pytest.fixture
def run(preg: Preg, oci_runtime: str) -> list[str]:
    """The words before the options, the image and the command."""
    return ["run", "--rm", "--quiet", "--network", "none", "--runtime", oci_runtime]


#: Links to what is not there, and a directory that is.
DANGLING = header(b"var/", DIR, mode=0o755) + header(b"var/run", SYM, link=b"/run") + header(b"d/", DIR, mode=0o750)
DANGLING += header(b"data", SYM, link=b"srv/data") + header(b"out", SYM, link=b"../../../../elsewhere") + END


@pytest.mark.parametrize(
    ("options", "command", "expected"),
    [
        (["-v", "{folder}:/var/run/x"], "cat /run/x/y", "y"),
        (["-v", "{folder}:/data"], "cat /srv/data/y", "y"),
        (["-v", "{folder}:/out"], "cat /elsewhere/y", "y"),
        (["-v", "{folder}/y:/data/new/y"], "cat /srv/data/new/y", "y"),
        (["-v", "/data"], "ls /srv", "data"),
        (["-v", "{folder}:/data", "-v", "{folder}:/data/below"], "cat /srv/data/below/y", "y"),
        (["--tmpfs", "/var/run"], "touch /run/z; ls /run", "z"),
        (["-w", "/data/in"], "pwd", "/srv/data/in"),
        (["-w", "/out/../data/./in/"], "pwd", "/srv/data/in"),
        (["-w", "/d"], "busybox stat -c %a .", "750"),
    ],
    ids=str,
)
def test_what_a_link_leads_to_is_made_within_the_image(  # noqa: PLR0917 - a fixture each
    options: list[str],
    command: str,
    expected: str,
    preg: Preg,
    made: Callable[..., str],
    run: list[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "y").write_text("y")
    options = [option.format(folder=tmp_path) for option in options]
    assert preg.ok(*run, *options, made(DANGLING), "sh", "-c", command).strip() == expected
    assert not Path("/elsewhere").exists()


@pytest.mark.parametrize(
    ("option", "path", "mode"),
    [
        ("--tmpfs=/d", "/d", "750"),
        ("--tmpfs=/etc", "/etc", "755"),
        ("--mount=type=tmpfs,dst=/d", "/d", "750"),
        ("--tmpfs=/d:mode=711", "/d", "711"),
        ("--mount=type=tmpfs,dst=/d,tmpfs-mode=711", "/d", "711"),
        ("--tmpfs=/new", "/new", "1777"),
        ("--tmpfs=/data", "/srv/data", "1777"),
    ],
)
def test_memory_has_the_mode_of_what_it_hides(  # noqa: PLR0917 - a fixture each
    option: str, path: str, mode: str, preg: Preg, made: Callable[..., str], run: list[str]
) -> None:
    assert preg.ok(*run, option, made(DANGLING), "busybox", "stat", "-c", "%a", path) == f"{mode}\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-v", "{folder}:/text"], "/text is not a directory in the container"),
        (["-v", "{folder}/file:/bin"], "/bin is a directory in the container, so no file can be mounted there"),
        (["--tmpfs", "/text"], "/text is not a directory in the container"),
        (["-w", "/text"], "/text is not a directory in the container"),
        (["-w", "/text/below"], "/text/below cannot be made in the container: Not a directory"),
        (["-v", "{folder}:/round"], "/round leads through too many links in the container"),
        (["-v", "{folder}:/proc"], "nothing can be mounted at /proc: the kernel's own files are there"),
        (["-v", "{folder}:/proc/new"], "nothing can be mounted at /proc/new: "),
        (["-v", "{folder}:/kernel"], "nothing can be mounted at /kernel, which leads to /proc in the container: "),
        (
            ["--tmpfs", "/kernel/sys"],
            "nothing can be mounted at /kernel/sys, which leads to /proc/sys in the container",
        ),
        (["-v", "/sys/kernel"], "nothing can be mounted at /sys/kernel: the kernel's own files are there"),
    ],
    ids=str,
)
def test_what_cannot_be_mounted_is_told_in_a_sentence(  # noqa: PLR0917 - a fixture each
    options: list[str], sentence: str, preg: Preg, made: Callable[..., str], run: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    links = header(b"round", SYM, link=b"round") + header(b"kernel", SYM, link=b"proc") + END
    options = [option.format(folder=tmp_path) for option in options]
    assert sentence in preg.fails(*run, *options, made(links), "true", status=125)


def test_the_kernels_own_files_may_be_mounted_and_what_tells_of_the_machine_replaced(
    preg: Preg, made: Callable[..., str], run: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text("mine")
    mounts = ["-v", "/proc:/proc", "-v", f"{tmp_path}:/dev/mine", "--tmpfs", "/sys/fs/cgroup"]
    assert preg.ok(*run, *mounts, made(), "cat", "/dev/mine/cpuinfo") == "mine"
    replaced = ["-v", f"{tmp_path}/cpuinfo:/proc/cpuinfo"]
    assert preg.ok(*run, *replaced, made(), "cat", "/proc/cpuinfo") == "mine"


@pytest.mark.parametrize("volume", ["/proc", "/proc/self", "/sys", "/dev/shm", "//dev/./pts/", "/kernel"])  # noqa: S108
def test_an_image_has_no_volumes_over_the_kernels_files(
    volume: str, preg: Preg, made: Callable[..., str], run: list[str]
) -> None:
    name = made(
        file(b"proc/self/status", b"Name: mine") + header(b"kernel", SYM, link=b"dev") + END, Volumes={volume: {}}
    )
    assert "the kernel's own files are" in preg.fails(*run, name, "cat", "/proc/self/status", status=125)
    assert preg.ok("ps", "-aq") == ""


@pytest.mark.parametrize("kind", [DIR, FIFO, CHR])
@pytest.mark.parametrize("name", ["etc/passwd", "etc/group"])
def test_users_are_looked_up_in_files_alone(
    kind: bytes, name: str, preg: Preg, made: Callable[..., str], run: list[str]
) -> None:
    hidden = file(b"etc/.wh.passwd") + END
    other = header(name.encode(), kind, device=(1, 5)) + END
    sentence = preg.fails(*run, made(hidden, other), "true", status=125)
    assert sentence == f"/{name} in the container is not a regular file, so no user can be found in it"


#: Of a terminal's other end (ioctl_tty(2)).
_UNLOCK, _NUMBER = 0x40045431, 0x80045430


def test_a_device_in_the_place_of_a_file_is_not_opened() -> None:
    require_terminals()
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    folder = os.open("/dev/pts", os.O_RDONLY)
    try:
        fcntl.ioctl(master, _UNLOCK, struct.pack("i", 0))
        (number,) = struct.unpack("I", fcntl.ioctl(master, _NUMBER, bytes(4)))
        with pytest.raises(Fault, match="is not a regular file"):
            read_inside(folder, str(number).encode())
        polling = select.poll()
        polling.register(master)
        # Who has opened and closed the other end has hung up.
        assert not any(event & select.POLLHUP for _, event in polling.poll(0))
    finally:
        os.close(folder)
        os.close(master)


def test_a_container_that_has_replaced_a_place_to_mount_at_is_not_started_again(
    preg: Preg, made: Callable[..., str], run: list[str], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/ptmx").touch()
    container = preg.ok("create", *run[2:], made(), "true").strip()
    preg.ok("start", "-a", container)
    # As one with CAP_SYS_ADMIN can do.
    (preg.home / "containers" / container / "upper/dev").symlink_to(tmp_path / "elsewhere")
    assert "/dev is not a directory in the container" in preg.fails("start", container)
    assert os.listdir(tmp_path / "elsewhere") == ["ptmx"]
    preg.ok("rm", container)


def test_copying_to_a_container_makes_what_its_mounts_lead_to(
    preg: Preg, made: Callable[..., str], run: list[str], tmp_path: Path
) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "copied").write_text("copied")
    container = preg.ok("create", *run[2:], "-v", f"{tmp_path}/mounted:/data", made(DANGLING), "true").strip()
    preg.ok("cp", str(tmp_path / "copied"), f"{container}:/srv/data/")
    assert (tmp_path / "mounted/copied").read_text() == "copied"
    preg.ok("rm", container)


def test_every_path_stays_within_the_root(tmp_path: Path) -> None:
    (tmp_path / "up").symlink_to("../../../../..")
    (tmp_path / "away").symlink_to("/up/.//b")
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        assert resolve(root, b"/away/../../c/up/d") == b"c/up/d"
        assert resolve(root, b"/away/x") == b"b/x"
        assert resolve(root, b"up") == b""
        os.close(open_mount_point(root, "/away/x", directory=True))
        assert (tmp_path / "b/x").is_dir()
        os.close(open_inside(root, b"away/x", os.O_PATH | os.O_DIRECTORY))
        with pytest.raises(Fault, match="holds a zero byte"):
            resolve(root, b"a\0b")
    finally:
        os.close(root)


def test_an_image_that_says_null_or_nonsense_is_taken_as_docker_takes_it(
    preg: Preg, made: Callable[..., str], run: list[str]
) -> None:
    name = made(
        Entrypoint=[""],
        Cmd=["env"],
        Env=["PATH=/bin", None, "A=1"],
        Labels={"a": None},
        StopSignal="NOPE",
        ExposedPorts={"80/tcp": None},
        Volumes={"/volume": None},
    )
    assert "A=1" in preg.ok(*run, name).splitlines()
    container = preg.ok("create", *run[2:], name).strip()
    (told,) = json.loads(preg.ok("inspect", container))
    assert told["Config"]["Labels"] == {"a": ""}
    assert (told["Config"]["Entrypoint"], told["Config"]["Cmd"]) == (None, ["env"])
    assert told["Config"]["Env"] == ["PATH=/bin", "A=1"]
    preg.ok("rm", "-v", container)
    assert json.loads(preg.ok("inspect", name))[0]["Config"]["StopSignal"] == "NOPE"
    assert preg.ok("history", "-q", name)
