"""A disk that fills up: writes are refused in the protocol's words, nothing stays behind, and reads go on."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.large import MIB, Talk, Zeros, open_session
from tests.faults.store import Store, own_files
from tests.parts import images
from tests.parts import server as server_part
from tests.parts.images import MANIFEST
from tests.parts.process import run
from tests.parts.required import missing, require_root
from tests.parts.server import Server
from tests.parts.wire import Answer

DISK = 24
SMALL = images.data("small", layers=2, size=100_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with little space."""
    require_root()
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = run("mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(folder))
    if mounted.returncode:
        missing(f"a tmpfs cannot be mounted ({mounted.stderr.strip()}): run the suite with CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        run("umount", str(folder))


@pytest.fixture
def small(disk: Path) -> Iterator[Server]:
    """A server on a small disk, which holds an image."""
    with server_part.serving(disk) as server:
        images.push(server, "kept", "1", SMALL)
        yield server


@pytest.fixture
def huge(tmp_path: Path) -> Zeros:
    return Zeros.make(tmp_path / "zeros", DISK + 8)


def free(server: Server) -> int:
    """How many bytes the disk has left."""
    status = os.statvfs(server.storage)
    return status.f_bavail * status.f_frsize


@contextlib.contextmanager
def filled(server: Server) -> Iterator[None]:
    """A disk on which nothing else finds room."""
    filler = server.storage / ".filler~"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


def send(server: Server, method: str, path: str, zeros: Zeros, **headers: object) -> Answer:
    """Send what does not fit. The answer may come before the end: a client that goes on sending must still see it."""
    talk = Talk(server)
    try:
        talk.begin(method, path, **{"Content_Length": zeros.size, **headers})
        with contextlib.suppress(ConnectionError):
            talk.send(zeros, 0, zeros.size)
        return talk.answer()
    finally:
        talk.close()


def assert_full(answer: Answer) -> None:
    assert answer.status == 507, answer
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"


def assert_reads(server: Server) -> None:
    assert server.stored("kept", "1").manifest == SMALL.manifest
    assert server.tags("kept") == ["1"]


@pytest.mark.parametrize("way", ["POST", "POST+PUT", "POST+PATCH", "POST+PATCH with Content-Range"])
def test_an_upload_that_does_not_fit_is_refused_and_freed(small: Server, huge: Zeros, way: str) -> None:
    before = free(small)
    path, method, headers = f"/v2/new/blobs/uploads/?digest={huge.digest}", "POST", {}
    if way != "POST":
        path, method = open_session(small, "new"), "PATCH"
    if way.endswith("PUT"):
        path, method = f"{path}?digest={huge.digest}", "PUT"
    if way.endswith("Range"):
        headers = {"Content-Range": f"0-{huge.size - 1}"}
    assert_full(send(small, method, path, huge, **headers))
    assert_reads(small)
    if way != "POST":
        assert small.ask("DELETE", path.partition("?")[0]).status in (204, 404)
    assert own_files(small.storage) == []
    assert free(small) == before
    images.push(small, "new", "1", images.data("fits", layers=1, size=MIB))
    assert Store(small.storage).check()


def test_the_chunk_that_does_not_fit_frees_those_before_it(small: Server, tmp_path: Path) -> None:
    before = free(small)
    location = open_session(small, "new")
    first = Zeros.make(tmp_path / "first", DISK // 2)
    assert send(small, "PATCH", location, first).status == 202
    assert_full(send(small, "PATCH", location, first))
    assert_reads(small)
    assert own_files(small.storage) == []
    assert free(small) == before


def test_the_last_byte_that_does_not_fit_is_refused_as_well(small: Server) -> None:
    """Bytes that were held back are written when the upload is left: that is late to learn that they do not fit."""
    location = open_session(small, "new")
    with filled(small):
        assert_full(small.ask("PATCH", location, b"x" * 100_000))
        assert_reads(small)
    assert [name for name in own_files(small.storage) if name.startswith("new/")] == []
    images.push(small, "new", "1", SMALL)
    assert small.stored("new", "1").manifest == SMALL.manifest


def test_a_full_disk_takes_no_manifest_and_no_session_and_serves_what_it_has(small: Server) -> None:
    manifest = images.data("other", layers=0).manifest
    small.push_blob("kept", images.data("other", layers=0).config)
    with filled(small):
        refused = small.ask("PUT", "/v2/kept/manifests/2", manifest, {"Content-Type": MANIFEST})
        assert_full(refused)
        assert small.ask("POST", "/v2/kept/blobs/uploads/?digest=" + SMALL.digest, SMALL.manifest).status == 507
        assert_reads(small)
        assert small.status("kept", "2") == 404
        assert own_files(small.storage) == []
    Store(small.storage).check()
    small.push_manifest("kept", "2", manifest, MANIFEST)
    assert small.stored("kept", "2").manifest == manifest


def test_what_is_deleted_on_a_full_disk_makes_room(small: Server) -> None:
    with filled(small):
        assert small.ask("DELETE", "/v2/kept/manifests/1").status == 202
        assert small.tags("kept") == []
