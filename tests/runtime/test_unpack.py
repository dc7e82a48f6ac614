"""Unpacked trees against those of GNU tar and umoci, and what goes wrong on the way."""

import gzip
import hashlib
import io
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import zstd
from runtime.config import DIRECTORIES, EROFS
from runtime.errors import LayerInvalid
from runtime.maker import Order, make_to_order
from runtime.stream import LayerStream
from runtime.tar import entries
from tests.parts.process import output
from tests.parts.required import require_root, required
from tests.runtime.archives import END, file, listing
from tests.runtime.conftest import Made


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with entries of all kinds that images hold."""
    require_root()
    root = tmp_path_factory.mktemp("tree")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(os.urandom(300_000))
    (root / "usr/bin/sudo").write_bytes(b"#!/bin/sh\n")
    (root / "usr/bin/sudo").chmod(0o4755)
    os.link(root / "usr/bin/tool", root / "usr/bin/tool-too")
    (root / "bin").symlink_to("usr/bin")
    (root / "absolute").symlink_to("/usr/bin/tool")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    os.mkfifo(root / "pipe")
    os.mknod(root / "null", 0o20666, os.makedev(1, 3))
    os.mknod(root / "disk", 0o60640, os.makedev(259, 300))
    (root / "owned").write_bytes(b"x")
    os.chown(root / "owned", 70_000, 3_000_000)
    os.setxattr(root / "usr/bin/tool", "user.mime", b"x\0y")
    os.setxattr(root / "usr/bin/sudo", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    (root / os.fsdecode("näme with \n and \\ \udcff")).write_bytes(b"odd")
    (root / ("long" * 50)).mkdir()
    (root / ("long" * 50) / ("name" * 60)).write_bytes(b"deep")
    (root / ("link" * 30)).symlink_to("target/" * 40)
    (root / "empty").mkdir(mode=0o500)
    for number, path in enumerate(sorted(root.rglob("*"))):
        os.utime(path, ns=(0, 1_600_000_000_123_456_789 + number * 10**9), follow_symlinks=False)
    return root


def pack(tree: Path, format_name: str) -> bytes:
    command = ["tar", "-C", str(tree), f"--format={format_name}", "--numeric-owner", "--sort=name", "-c", "."]
    if format_name == "pax":
        command[1:1] = ["--xattrs", "--xattrs-include=*"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def test_a_pax_archive_becomes_the_tree_it_was_made_of(tree: Path, made: Made, tmp_path: Path) -> None:
    made(pack(tree, "pax"))
    assert listing(tmp_path / "layer/root") == listing(tree)


def test_a_gnu_archive_becomes_what_gnu_tar_makes_of_it(tree: Path, made: Made, tmp_path: Path) -> None:
    archive = pack(tree, "gnu")
    made(archive)
    (tmp_path / "theirs").mkdir()
    extract = ["tar", "-C", str(tmp_path / "theirs"), "--numeric-owner", "-xp"]
    subprocess.run(extract, input=archive, check=True)
    assert listing(tmp_path / "layer/root") == listing(tmp_path / "theirs")


def test_two_layers_become_what_umoci_makes_of_them(tree: Path, made: Made, tmp_path: Path) -> None:
    """umoci applies the second layer to the first; ours are two directories, so the first alone is compared whole."""
    umoci = required("umoci")
    # umoci knows neither names outside UTF-8 nor what it may not set itself.
    archive = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(pack(tree, "pax"))) as whole,
        tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in whole:
            if "näme" not in member.name:
                tar.addfile(member, whole.extractfile(member) if member.isreg() else None)
    layer = tmp_path / "layer.tar"
    layer.write_bytes(archive.getvalue())
    image = f"{tmp_path}/oci:image"
    output(umoci, "init", "--layout", f"{tmp_path}/oci")
    output(umoci, "new", "--image", image)
    output(umoci, "raw", "add-layer", "--image", image, str(layer))
    output(umoci, "unpack", "--image", image, str(tmp_path / "bundle"))
    made(archive.getvalue())
    ours, theirs = listing(tmp_path / "layer/root"), listing(tmp_path / "bundle/rootfs")
    assert {name: each for name, each in theirs.items() if name != "."} == {
        name: each for name, each in ours.items() if name != "."
    }


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.") and len(name.encode()) <= 255
)


@given(
    name=st.lists(NAMES, min_size=1, max_size=4).map("/".join),
    content=st.binary(max_size=2000),
    mode=st.integers(0, 0o7777),
    owner=st.integers(0, 2**32 - 2),
    mtime=st.integers(-(2**40), 2**40),
    link=NAMES,
    kind=st.sampled_from((tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)),
    form=st.sampled_from((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)),
)
def test_headers_are_read_as_python_writes_them(  # noqa: PLR0917 - hypothesis fills them in by name
    name: str, content: bytes, mode: int, owner: int, mtime: int, link: str, kind: bytes, form: int
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid, member.mtime = kind, mode, owner, owner, mtime
    member.linkname = link if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    member.size = len(content) if kind == tarfile.REGTYPE else 0
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=form) as tar:
        tar.addfile(member, io.BytesIO(content))
    source = LayerStream(io.BytesIO(archive.getvalue()), 1 << 30)
    (read,) = [(entry, source.read(entry.size)) for entry in entries(source)]
    entry, held = read
    assert entry.name.rstrip(b"/").decode() == name
    assert (entry.mode, entry.uid, entry.gid, entry.mtime) == (mode, owner, owner, mtime * 10**9)
    assert entry.link.decode() == member.linkname
    assert held == (content if kind == tarfile.REGTYPE else b"")


@given(st.binary(max_size=3000))
def test_no_bytes_whatever_are_read_other_than_as_an_archive_or_a_fault(noise: bytes) -> None:
    source = LayerStream(io.BytesIO(noise), 1 << 30)
    try:
        for entry in entries(source):
            source.skip(entry.size)
    except LayerInvalid:
        pass


ARCHIVE = file(b"a", b"content" * 100) + file(b"b", bytes(range(256)) * 4096) + END


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(ARCHIVE, id="plain"),
        pytest.param(gzip.compress(ARCHIVE), id="gzip"),
        pytest.param(gzip.compress(ARCHIVE[:700]) + gzip.compress(ARCHIVE[700:]), id="gzip in two members"),
        pytest.param(gzip.compress(ARCHIVE) + bytes(512), id="gzip padded with zeros"),
        pytest.param(zstd.compress(ARCHIVE), id="zstd"),
        pytest.param(zstd.compress(ARCHIVE[:700]) + zstd.compress(ARCHIVE[700:]), id="zstd in two frames"),
    ],
)
def test_each_compression_is_undone_and_both_digests_are_told(layer: bytes, made: Made, tmp_path: Path) -> None:
    done = made(layer)
    assert (tmp_path / "layer/root/a").read_bytes() == b"content" * 100
    assert (tmp_path / "layer/root/b").read_bytes() == bytes(range(256)) * 4096
    assert done.digest == f"sha256:{hashlib.sha256(layer).hexdigest()}"
    assert done.diff_id == f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}"
    assert done.size == len(ARCHIVE)


@pytest.mark.parametrize("layer", [gzip.compress(ARCHIVE), zstd.compress(ARCHIVE)], ids=["gzip", "zstd"])
def test_a_layer_cut_off_is_refused(layer: bytes, made: Made) -> None:
    for number, end in enumerate((1, 20, len(layer) // 2, len(layer) - 1)):
        with pytest.raises(LayerInvalid, match=r"cut off|damaged"):
            made(layer[:end], f"cut {number}")


def test_a_layer_spoiled_is_refused_by_its_own_checksum(made: Made) -> None:
    layer = gzip.compress(ARCHIVE)
    middle = len(layer) // 2
    with pytest.raises(LayerInvalid, match=r"decompressed|damaged|cut off|checksum"):
        made(layer[:middle] + bytes(64) + layer[middle + 64 :])


def made_to_order(tmp_path: Path, mode: str, layer: bytes, digest: str, diff_id: str) -> str:
    (tmp_path / "layer").mkdir()
    (tmp_path / "coming").write_bytes(layer)
    order = Order(str(tmp_path / "layer"), mode, str(tmp_path / "coming"), digest, diff_id)
    return make_to_order(order, io.BytesIO(b"%d\n" % len(layer)))


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize(
    ("digest", "diff_id", "message"),
    [
        (sha256(b"other"), sha256(ARCHIVE), "the registry sent sha256:"),
        (sha256(gzip.compress(ARCHIVE, mtime=0)), sha256(b"other"), "and the image says sha256:"),
    ],
    ids=["digest", "diff ID"],
)
def test_a_layer_other_than_promised_is_one_sentence(digest: str, diff_id: str, message: str, tmp_path: Path) -> None:
    said = made_to_order(tmp_path, DIRECTORIES, gzip.compress(ARCHIVE, mtime=0), digest, diff_id)
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("mode", [DIRECTORIES, EROFS])
def test_a_full_disk_is_one_sentence(mode: str, tmp_path: Path) -> None:
    require_root()
    packed = gzip.compress(ARCHIVE, mtime=0)
    disk = tmp_path / "disk"
    disk.mkdir()
    output("mount", "-t", "tmpfs", "-o", "size=256k", "preg-test", str(disk))
    try:
        said = made_to_order(disk, mode, packed, sha256(packed), sha256(ARCHIVE))
    finally:
        output("umount", str(disk))
    assert said.startswith(f"the layer {sha256(packed)} cannot be kept: No space left on device: ")
    assert said.endswith("free some space there and pull again")
    assert "\n" not in said


def test_a_socket_cannot_be_in_an_archive_but_its_tree_is_packed(made: Made, tmp_path: Path) -> None:
    """GNU tar passes sockets over; the rest of the directory is there."""
    (tmp_path / "packed").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "packed/socket"))
        (tmp_path / "packed/file").write_bytes(b"x")
        made(pack(tmp_path / "packed", "pax"))
    assert os.listdir(tmp_path / "layer/root") == ["file"]
