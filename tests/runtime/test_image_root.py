"""Images whose layers are odd, and what becomes of them as the root of a container."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.config import DIRECTORIES, EROFS
from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.mounts import unmount_below
from tests.parts.server import Server
from tests.runtime.archives import END, SYM, file, header
from tests.runtime.conftest import Preg

SHELL = busybox("hello")
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
        push(server, repository, "1", Image((*SHELL.tars, *tars), {**SHELL.settings, **settings}))
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
    image = Image((*SHELL.tars, SAME, SAME), SHELL.settings)
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
