"""``preg cp`` against ``docker cp``, and against containers that try to lead it astray."""

import contextlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.cp import read_side
from runtime.copying import copy, opened_source, opened_target, read_archive, write_archive
from runtime.errors import Fault, UsageError
from tests.parts.docker import Docker
from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.mounts import below
from tests.parts.required import require_root
from tests.parts.server import Server
from tests.runtime.archives import DIR, END, HARD, SYM, file, header, listing, timeless
from tests.runtime.conftest import Preg

#: From what to what; on either side there are the same entries, of which those of the source hold "new".
CASES = [
    *(("file", to) for to in ("new", "file", "dir", "dir/", "dir/new", "no/new", "new/", "link", "flink", "dangling")),
    *(("dir", to) for to in ("new", "new/", "dir", "dir/", "link", "file", "flink", "no/new", "dangling", ".")),
    *(("dir/.", to) for to in ("new", "dir", "link", "file")),
    *(("dir/", to) for to in ("new", "dir")),
    *(("link", to) for to in ("new", "dir", "file", "flink")),
    *(("link/", "dir"), ("link/.", "dir"), ("link/.", "new"), ("dangling", "new"), ("file/", "new"), ("no", "new")),
    *(("both/.", "dir"), ("dir/../dir", "new"), ("dir/../file", "dir/../new"), ("both", "both"), ("other", "both")),
    *(("-L", "link", "new"), ("-L", "link", "dir"), ("-L", "flink", "new"), ("-L", "flink", "dir")),
    *(("-L", "dangling", "new"), ("-L", "dir", "new")),
]


def fill(folder: Path, content: str) -> None:
    (folder / "dir/deep").mkdir(parents=True)
    (folder / "dir/inner").write_text(content)
    (folder / "dir/deep/est").write_text(content)
    (folder / "dir").chmod(0o750)
    (folder / "file").write_text(content)
    os.chown(folder / "file", 1234, 4321)
    (folder / "file").chmod(0o751)
    os.link(folder / "file", folder / "dir/twin")
    (folder / "link").symlink_to("dir")
    (folder / "flink").symlink_to("dir/../file")
    (folder / "dangling").symlink_to("nowhere")
    # A file here is a directory there, and the other way around.
    (folder / "both").mkdir()
    (folder / "other").mkdir()
    (folder / f"both/{content}").mkdir()
    (folder / f"both/{'old' if content == 'new' else 'new'}").write_text(content)
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000), follow_symlinks=False)


@pytest.fixture(scope="module")
def image(server: Server, host: Preg) -> str:
    """An image with a shell."""
    require_root()
    shell = busybox()
    push(server, "tests/cp", "1", Image((*shell.tars, layer({"w/.keep": File()})), shell.settings))
    name = f"{server.address}/tests/cp:1"
    host.ok("pull", name)
    return name


@pytest.fixture
def container(host: Preg, image: str) -> Iterator[str]:
    """A container that was never started."""
    yield host.ok("create", "--name", "cc", image, "sleep", "1000").strip()
    host.ok("rm", "-f", "-v", "cc")
    assert below(host.home / "containers") == []


def members(archive: bytes) -> dict[str, tuple[object, ...]]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() or member.islnk() else None
            found[member.name.rstrip("/")] = (
                *(member.type.replace(b"1", b"0"), oct(member.mode & 0o7777), member.uid, member.gid),
                member.linkname if member.issym() else "",
                content.read() if content else b"",
                0 if member.isdir() else member.mtime,
            )
    return found


def raw(command: list[str], env: dict[str, str], cwd: Path | None = None, stdin: bytes = b"") -> tuple[int, bytes]:
    done = subprocess.run(command, env=env, cwd=cwd, input=stdin, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def docker_cp(image: str, docker: Docker) -> Iterator[Callable[..., tuple[int, bytes]]]:
    """``docker cp``, with a container ``cc``."""
    docker("pull", image)
    docker("create", "--name", "cc", image, "true")
    yield lambda *words, **more: raw(["docker", "cp", *words], docker._env, **more)
    docker("rm", "-v", "cc")


def preg_cp(root: int, links: bool, source: str, target: str) -> bool:
    """What ``preg cp`` does, but for the container: a directory is its root."""
    host = os.open("/", os.O_PATH)
    try:
        sides = [read_side(text) for text in (source, target)]
        roots = [root if side.container else host for side in sides]
        with (
            opened_source(roots[0], sides[0].whole, links=links) as found,
            opened_target(roots[1], sides[1].whole) as place,
        ):
            copy(found, place, owners=bool(sides[1].container))
    except (Fault, OSError):
        return False
    finally:
        os.close(host)
    return True


@pytest.mark.xdist_group("docker")
def test_what_goes_into_a_container_goes_where_docker_puts_it(
    docker_cp: Callable[..., tuple[int, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "source", "new")
    for number in range(len(CASES)):
        fill(tmp_path / f"root/w/{number}", "old")
    monkeypatch.chdir(tmp_path / "source")
    assert docker_cp(f"{tmp_path}/root/w/.", "cc:/w") == (0, b"")
    root = os.open(tmp_path / "root", os.O_PATH)
    done = []
    for number, (*options, source, target) in enumerate(CASES):
        to = f"cc:/w/{number}/{target}"
        done.append(preg_cp(root, bool(options), source, to))
        assert done[-1] == (docker_cp(*options, source, to)[0] == 0), CASES[number]
    assert 10 < sum(done) < len(CASES) - 5
    out = io.BytesIO()
    with opened_source(root, b"/w", links=False) as found:
        write_archive(found, out)
    os.close(root)
    ours, theirs = members(out.getvalue()), members(docker_cp("cc:/w", "-")[1])
    theirs.pop("w/.keep")
    assert ours == theirs


@pytest.mark.xdist_group("docker")
def test_what_comes_out_of_a_container_comes_where_docker_puts_it(
    docker_cp: Callable[..., tuple[int, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "root/w", "new")
    assert docker_cp(f"{tmp_path}/root/w/.", "cc:/w") == (0, b"")
    root = os.open(tmp_path / "root", os.O_PATH)
    for number, (*options, source, target) in enumerate(CASES):
        done, found = [], []
        for name in ("preg", "docker"):
            fill(tmp_path / f"{name}/{number}", "old")
            monkeypatch.chdir(tmp_path / f"{name}/{number}")
            words = (f"cc:/w/{source}", target)
            done.append(preg_cp(root, bool(options), *words) if name == "preg" else docker_cp(*options, *words)[0] == 0)
            found.append(timeless(listing(Path.cwd())))
        assert done[0] == done[1], CASES[number]
        assert found[0] == found[1], CASES[number]
    os.close(root)


def test_a_stream_goes_in_and_out_of_a_running_container(host: Preg, container: str) -> None:
    host.ok("start", "cc")
    archive = layer({"bin/new": File(b"x", 0o755), "etc/deep/er": File(b"y"), "l": File(link="/etc/passwd")})
    assert raw(host.command("cp", "-", "cc:/"), host.environ, stdin=archive) == (0, b"")
    status, out = raw(host.command("cp", "cc:/etc/deep", "-"), host.environ)
    assert (status, members(out).keys()) == (0, {"deep", "deep/er"})
    assert "must be a directory" in host.fails("cp", "-", "cc:/text")
    assert raw(host.command("cp", "-", "cc:/"), host.environ, stdin=b"no archive" * 100)[0] == 1
    # What the kernel shows is no part of it.
    names = members(raw(host.command("cp", "cc:/", "-"), host.environ)[1])
    assert {"bin/busybox", "bin/new", "etc/hosts", "proc", "dev"} <= {*names}
    assert not any(name.startswith(("proc/", "sys/", "dev/")) for name in names)
    assert "shown by the kernel" in host.fails("cp", "cc:/proc/version", "-")


def test_owners_are_kept_on_this_host_with_a(host: Preg, container: str, tmp_path: Path) -> None:
    fill(tmp_path / "source", "new")
    host.ok("cp", f"{tmp_path}/source/file", "cc:/w")
    host.ok("cp", "cc:/w/file", f"{tmp_path}/root")
    host.ok("cp", "-a", "cc:/w/file", f"{tmp_path}/kept")
    assert [(tmp_path / name).stat().st_uid for name in ("root", "kept")] == [0, 1234]
    host.ok("cp", f"{tmp_path}/source/dir", "cc:/w")
    host.ok("cp", "cc:/w/dir", f"{tmp_path}/dir")
    assert (tmp_path / "dir").stat().st_mtime == 1_000_000_000


def test_volumes_are_there_whether_the_container_runs_or_not(host: Preg, image: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "bound").mkdir()
    options = ["-v", "/data", "-v", f"{tmp_path}/bound:/b", "-v", "named:/data/deep", "-v", f"{tmp_path}/file:/ro/f:ro"]
    host.ok("create", "--name", "vv", *options, image, "sh", "-c", "cat /data/file /data/deep/file; sleep 1000")
    try:
        for target in ("/data", "/data/deep", "/b"):
            host.ok("cp", f"{tmp_path}/file", f"vv:{target}")
        assert (tmp_path / "bound/file").read_text() == "x"
        assert host.ok("volume", "ls", "-q").split()[-1] == "named"
        assert "something is mounted at" in host.fails("cp", f"{tmp_path}/file", "vv:/ro/f")
        host.ok("start", "vv")
        host.ok("cp", "vv:/data/deep/file", f"{tmp_path}/out")
        host.ok("cp", f"{tmp_path}/out", "vv:/b/out")
        assert (tmp_path / "bound/out").read_text() == "x"
        assert "something is mounted at" in host.fails("cp", f"{tmp_path}/out", "vv:/ro/f")
        assert host.ok("cp", "vv:/ro/f", "-").startswith("f\0")
        assert (tmp_path / "file").read_text() == "x"
    finally:
        host.ok("rm", "-f", "-v", "vv")
        host.ok("volume", "rm", "named")


def test_many_copy_at_once_into_a_stopped_container(host: Preg, container: str, tmp_path: Path) -> None:
    processes = []
    for number in range(4):
        (tmp_path / str(number)).write_text("x")
        command = host.command("cp", "-q", f"{tmp_path}/{number}", "cc:/w")
        processes.append(subprocess.Popen(command, env=host.environ))
    assert [process.wait() for process in processes] == [0] * 4
    assert members(raw(host.command("cp", "cc:/w", "-"), host.environ)[1]).keys() >= {f"w/{n}" for n in range(4)}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["cc:/a", "cc:/b"], "one of the two must be of a container"),
        (["/a", "/b"], "one of the two must be of a container"),
        (["-", "-"], "one of the two must be of a container"),
        (["", "cc:/b"], "a path cannot be empty"),
    ],
)
def test_what_cannot_be_copied(words: list[str], sentence: str, preg: Preg) -> None:
    assert sentence in preg.fails("cp", *words, status=2)


# Containers that lead astray


@pytest.fixture
def jail(tmp_path: Path) -> Iterator[tuple[int, Path, Path]]:
    """A root whose links lead to a directory of this host, and that directory."""
    require_root()
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "in").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("CONTENT")
    for name, link in {
        "absolute": outside,
        "relative": "../../../../../../.." + str(outside),
        "in/deep": f"../../../../../..{outside}",
        "secret": outside / "secret",
        "proc": "/proc/self/root",
    }.items():
        (root / name).symlink_to(link)
    opened = os.open(root, os.O_PATH)
    yield opened, root, outside
    os.close(opened)


NAMES = ["absolute", "relative", "in/deep", "absolute/secret", "relative/secret", "secret", "proc", "proc/etc"]


@pytest.mark.parametrize("path", [*NAMES, *(f"{name}/." for name in NAMES), "../outside/secret", "in/../../outside"])
def test_no_link_leads_to_this_host(path: str, jail: tuple[int, Path, Path], tmp_path: Path) -> None:
    root, _, outside = jail
    before = listing(outside)
    for links in (False, True):
        out = io.BytesIO()
        with (
            contextlib.suppress(Fault, OSError),
            opened_source(root, os.fsencode(path), links=links) as source,
        ):
            write_archive(source, out)
        assert b"CONTENT" not in out.getvalue()
    (tmp_path / "mine").write_text("mine")
    ours = os.open("/", os.O_PATH)
    try:
        with (
            contextlib.suppress(Fault, OSError),
            opened_source(ours, os.fsencode(tmp_path / "mine"), links=False) as source,
            opened_target(root, os.fsencode(path)) as target,
        ):
            copy(source, target, owners=True)
    finally:
        os.close(ours)
    assert listing(outside) == before


@pytest.mark.parametrize(
    "archive",
    [
        file(b"absolute/new", b"x"),
        file(b"relative/secret", b"x"),
        file(b"in/deep/secret", b"x"),
        file(b"secret", b"x"),
        file(b"../outside/secret", b"x"),
        header(b"l", SYM, link=b"/outside") + file(b"l/secret", b"x"),
        header(b"hard", HARD, link=b"absolute/secret") + file(b"hard", b"x"),
        header(b"hard", HARD, link=b"../outside/secret") + file(b"hard", b"x"),
        header(b"hard", HARD, link=b"secret") + header(b"hard", DIR),
        header(b"absolute", DIR, mode=0o777, owner=(1, 1)),
        header(b"proc/etc/new", DIR),
    ],
)
def test_no_archive_leads_to_this_host(archive: bytes, jail: tuple[int, Path, Path]) -> None:
    root, _, outside = jail
    before = listing(outside)
    with contextlib.suppress(Fault, OSError):
        read_archive(io.BytesIO(archive + END), root, b"/")
    assert listing(outside) == before


def test_a_container_that_renames_all_the_time_leads_nowhere(jail: tuple[int, Path, Path], tmp_path: Path) -> None:
    root, inside, outside = jail
    before = listing(outside)
    (inside / "real/sub").mkdir(parents=True)
    (inside / "real/sub/secret").write_text("public")
    (inside / "trap").symlink_to(outside.parent)
    (inside / "real/sub2").symlink_to(outside)
    script = """
import ctypes, os, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None)
print(flush=True)
while True:
    for a, b in ((b"real", b"trap"), (b"real/sub", b"real/sub2")):
        libc.renameat2(-100, a, -100, b, 2)
"""
    with subprocess.Popen(["python3", "-c", script, str(inside)], stdout=subprocess.PIPE) as racer:
        assert racer.stdout is not None
        racer.stdout.readline()
        try:
            for _ in range(300):
                out = io.BytesIO()
                with contextlib.suppress(Fault, OSError):
                    with opened_source(root, b"/real/.", links=True) as source:
                        write_archive(source, out)
                    read_archive(io.BytesIO(file(b"real/sub/secret", b"mine") + END), root, b"/")
                    read_archive(io.BytesIO(header(b"real/sub/new", DIR) + END), root, b"/")
                found = members(out.getvalue()) if out.getvalue() else {}
                assert not any(entry[5] == b"CONTENT" for entry in found.values())
        finally:
            racer.kill()
    assert listing(outside) == before


@given(st.text(max_size=12))
def test_no_text_whatever_makes_more_of_a_side_than_a_fault(text: str) -> None:
    try:
        side = read_side(text)
    except UsageError:
        return
    assert (f"{side.container}:{side.path}" if side.container else side.path) == text
    path = side.whole.removesuffix(b"/.")
    assert side.whole.startswith(b"/")
    assert b".." not in path.split(b"/")
