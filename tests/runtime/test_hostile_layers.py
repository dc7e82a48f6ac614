"""Archives that try to leave their root, to exhaust the host, or to be read in two ways."""

import os
import stat
import zlib
from pathlib import Path

import pytest

from runtime import archive as rules
from runtime import maker, stream
from runtime.errors import LayerInvalid
from runtime.layers import ARCHIVE, ROOT
from tests.parts.required import require_root
from tests.runtime.archives import (
    CHR,
    DIR,
    END,
    FIFO,
    HARD,
    REG,
    SPARSE,
    SYM,
    file,
    header,
    listing,
    padded,
    pax,
)
from tests.runtime.conftest import Made

REFUSED = {
    "dots first": (file(b"../escaped", b"x"), "leads out of the root"),
    "dots within": (file(b"a/../../escaped", b"x"), "leads out of the root"),
    "dots behind a slash": (file(b"/../escaped", b"x"), "leads out of the root"),
    "dots in a pax path": (pax({"path": b"../escaped"}) + file(b"a", b"x"), "leads out of the root"),
    "dots in a long name": (
        header(b"././@LongLink", b"L", size=11) + padded(b"../escaped\0") + file(b"a", b"x"),
        "leads out of the root",
    ),
    "a whiteout outside": (file(b"../.wh.escaped"), "leads out of the root"),
    "an opaque mark outside": (file(b"../.wh..wh..opq"), "leads out of the root"),
    "a whiteout of the directory itself": (file(b"a/.wh.."), "hides no file"),
    "a whiteout of the directory above": (file(b"a/.wh..."), "hides no file"),
    "a whiteout of nothing": (file(b"a/.wh."), "hides no file"),
    "a hard link out by dots": (header(b"a", HARD, link=b"../outside"), "leads out of the root"),
    "a hard link to the root": (header(b"a", HARD, link=b"/"), "leads to the root"),
    "a hard link to nothing": (header(b"a", HARD, link=b"b"), "which is no file of it"),
    "a hard link to a directory": (header(b"d/", DIR) + header(b"a", HARD, link=b"d"), "which is no file of it"),
    "a hard link to itself": (file(b"a") + header(b"a", HARD, link=b"a"), "which is no file of it"),
    "a hard link to a whiteout": (file(b".wh.b") + header(b"a", HARD, link=b"b"), "which is no file of it"),
    "a file as the root": (file(b"./", b"")[:0] + header(b"/", SYM, link=b"x"), "no directory"),
    "entries below a file": (file(b"a", b"x") + file(b"a/b", b"x"), "is no directory"),
    "entries below a pipe": (header(b"a", FIFO) + file(b"a/b", b"x"), "is no directory"),
    "entries below a dangling link": (header(b"a", SYM, link=b"b") + file(b"a/c", b"x"), "is no directory"),
    "entries below a link to itself": (header(b"a", SYM, link=b"a") + file(b"a/c", b"x"), "is no directory"),
    "a link to no name": (header(b"a", SYM), "no possible name"),
    "a name with a zero byte": (pax({"path": b"a\0b"}) + file(b"a"), "zero byte"),
    "a component too long": (pax({"path": b"a" * 256}) + file(b"a"), "too long"),
    "a path too long": (pax({"path": b"a/" * 2049}) + file(b"a"), "too long"),
    "a size below zero": (header(b"a", size_field=b"\xff" * 12), "the size -1"),
    "a size beyond the archive": (header(b"a", size=1 << 30), "cut off in the middle of a file"),
    "an owner beyond the kernel's": (pax({"uid": b"99999999999"}) + file(b"a"), "the owner 99999999999"),
    "a uid that is none": (pax({"uid": b"-1"}) + file(b"a"), "the uid '-1'"),
    "a time that is none": (pax({"mtime": b"now"}) + file(b"a"), "the time 'now'"),
    "a device that cannot be": (header(b"a", CHR, device=(1 << 13, 0)), "impossible number"),
    "an unknown kind": (header(b"a", b"Q"), "unknown kind"),
    "a sparse file": (header(b"a", SPARSE), "sparse"),
    "a pax sparse file": (pax({"GNU.sparse.major": b"1"}) + file(b"a"), "sparse"),
    "a header cut off": (file(b"a")[:300], "middle of a header"),
    "content cut off": (file(b"a", b"x" * 2000)[:1500], "middle of a file"),
    "a checksum that is wrong": (b"b" + file(b"a")[1:], "checksum"),
    "a number that is none": (header(b"a", size_field=b"12345678zzz\0"), "a number of a header"),
    "text that is no archive": (b"#!/bin/sh\n" * 100, "damaged"),
    "an extended header alone": (pax({"path": b"a"}), "half an entry"),
    "an extended header that is huge": (header(b"a", b"x", size=1 << 31), "no honest layer"),
    "an extended header cut off": (header(b"a", b"x", size=900) + bytes(512), "middle of an extended header"),
    "extended headers without end": (pax({"path": b"a"}) * 17 + file(b"a"), "more than 16 extended headers"),
    "a pax record without length": (header(b"a", b"x", size=4) + padded(b"a=b\n") + file(b"a"), "malformed"),
    "a pax record too long": (header(b"a", b"x", size=8) + padded(b"99 a=bc\n") + file(b"a"), "malformed"),
    "a pax record of length zero": (header(b"a", b"x", size=6) + padded(b"0 a=b\n") + file(b"a"), "malformed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_leaves_the_root_or_is_malformed_is_refused(case: str, made: Made, tmp_path: Path) -> None:
    archive, message = REFUSED[case]
    outside = tmp_path / "layer/outside"
    outside.parent.mkdir()
    outside.write_bytes(b"untouched")
    with pytest.raises(LayerInvalid, match=message):
        made(archive + END if "cut off" not in case and "alone" not in case else archive)
    assert outside.read_bytes() == b"untouched"
    assert os.listdir(tmp_path) == ["layer"]
    assert set(os.listdir(tmp_path / "layer")) <= {"outside", ROOT, ARCHIVE}
    assert outside.stat().st_nlink == 1


def test_absolute_names_are_those_of_the_image(made: Made, tmp_path: Path) -> None:
    made(file(b"/etc/made-by-test", b"x") + END)
    assert (tmp_path / "layer/root/etc/made-by-test").read_bytes() == b"x"
    assert not Path("/etc/made-by-test").exists()


@pytest.mark.parametrize("target", [b"/outside", b"../outside", b"../../../../../../outside"])
def test_a_link_that_is_a_directory_is_followed_within_the_root_only(target: bytes, made: Made, tmp_path: Path) -> None:
    outside = tmp_path / "layer/outside"
    outside.parent.mkdir()
    outside.mkdir()
    archive = header(b"outside/", DIR, mode=0o755) + header(b"lnk", SYM, link=target) + file(b"lnk/passwd", b"x") + END
    made(archive)
    assert list(outside.iterdir()) == []
    assert (tmp_path / "layer/root/outside/passwd").read_bytes() == b"x"


def test_no_link_to_the_host_is_followed(made: Made, tmp_path: Path) -> None:
    outside = tmp_path / "layer/outside"
    outside.parent.mkdir()
    outside.mkdir()
    archive = header(b"lnk", SYM, link=bytes(outside)) + file(b"lnk/passwd", b"x") + END
    with pytest.raises(LayerInvalid, match="is no directory"):
        made(archive)
    assert list(outside.iterdir()) == []


def test_what_a_link_names_is_not_what_an_entry_replaces(made: Made, tmp_path: Path) -> None:
    outside = tmp_path / "layer/outside"
    outside.parent.mkdir()
    outside.write_bytes(b"untouched")
    outside.chmod(0o600)
    archive = header(b"lnk", SYM, link=bytes(outside)) + file(b"lnk", b"mine", 0o777) + END
    made(archive)
    assert outside.read_bytes() == b"untouched"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert (tmp_path / "layer/root/lnk").read_bytes() == b"mine"


def test_a_hard_link_to_a_link_makes_a_second_link(made: Made, tmp_path: Path) -> None:
    outside = tmp_path / "layer/outside"
    outside.parent.mkdir()
    outside.write_bytes(b"untouched")
    made(
        header(b"lnk", SYM, link=bytes(outside)) + header(b"hard", HARD, link=b"lnk") + file(b"hard2", b"") + END,
    )
    assert (tmp_path / "layer/root/hard").is_symlink()
    assert outside.stat().st_nlink == 1


def test_the_last_entry_of_a_name_counts(made: Made, tmp_path: Path) -> None:
    archive = (
        file(b"a", b"first")
        + file(b"a", b"second")
        + header(b"d/", DIR, mode=0o700)
        + file(b"d/x", b"x")
        + file(b"d", b"a file now")
        + file(b"f", b"x")
        + header(b"f/", DIR, mode=0o750)
        + file(b"f/y", b"y")
    )
    made(archive + END)
    assert (tmp_path / "layer/root/a").read_bytes() == b"second"
    assert (tmp_path / "layer/root/d").read_bytes() == b"a file now"
    assert stat.S_IMODE((tmp_path / "layer/root/d").stat().st_mode) == 0o644
    assert (tmp_path / "layer/root/f/y").read_bytes() == b"y"
    assert stat.S_IMODE((tmp_path / "layer/root/f").stat().st_mode) == 0o750


def test_a_hard_link_replaced_leaves_the_other_name_alone(made: Made, tmp_path: Path) -> None:
    archive = file(b"a", b"shared") + header(b"b", HARD, link=b"a") + file(b"b", b"own") + END
    made(archive)
    assert (tmp_path / "layer/root/a").read_bytes() == b"shared"
    assert (tmp_path / "layer/root/b").read_bytes() == b"own"


def test_a_tree_as_deep_as_names_allow_is_replaced(made: Made, tmp_path: Path) -> None:
    deep = b"d/" * 2000
    made(pax({"path": deep + b"x"}) + file(b"-", b"x") + file(b"d", b"flat") + END)
    assert (tmp_path / "layer/root/d").read_bytes() == b"flat"


def test_attributes_that_steer_overlayfs_or_policies_are_dropped(made: Made, tmp_path: Path) -> None:
    records = {
        "SCHILY.xattr.trusted.overlay.redirect": b"/etc",
        "SCHILY.xattr.trusted.overlay.metacopy": b"",
        "SCHILY.xattr.user.overlay.opaque": b"y",
        "SCHILY.xattr.security.selinux": b"x",
        "SCHILY.xattr.user.mine": b"kept",
    }
    made(pax(records) + file(b"a") + pax(records) + header(b"d/", DIR, mode=0o755) + END)
    for name in ("a", "d"):
        assert os.listxattr(tmp_path / "layer/root" / name) == ["user.mine"]


def test_a_global_header_says_nothing_of_entries(made: Made, tmp_path: Path) -> None:
    made(pax({"path": b"../escaped", "comment": b"x"}, b"g") + file(b"a", b"x") + END)
    assert sorted(os.listdir(tmp_path / "layer/root")) == ["a"]


def test_what_follows_the_end_is_not_unpacked_but_hashed(made: Made, tmp_path: Path) -> None:
    archive = file(b"a", b"x") + END + file(b"b", b"x")
    done = made(archive)
    assert sorted(os.listdir(tmp_path / "layer/root")) == ["a"]
    assert done.size == len(archive)


def test_times_beyond_all_clocks_are_kept_within_them(made: Made, tmp_path: Path) -> None:
    made(pax({"mtime": b"9" * 30}) + file(b"a") + pax({"mtime": b"-1.5"}) + file(b"b") + END)
    assert (tmp_path / "layer/root/a").stat().st_mtime > 2**33
    assert (tmp_path / "layer/root/b").stat().st_mtime == -1.5


def test_devices_are_made_as_devices_and_nothing_more(made: Made, tmp_path: Path) -> None:
    require_root()
    made(header(b"null", CHR, mode=0o666, device=(1, 3)) + END)
    made = (tmp_path / "layer/root/null").lstat()
    assert stat.S_ISCHR(made.st_mode)
    assert (os.major(made.st_rdev), os.minor(made.st_rdev)) == (1, 3)


def test_more_entries_than_any_layer_has_are_refused(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ENTRY_LIMIT", 10)
    archive = b"".join(file(b"%d" % number) for number in range(11)) + END
    with pytest.raises(LayerInvalid, match="more than 10 entries"):
        made(archive)


def test_a_layer_that_inflates_beyond_the_limit_is_refused(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "SIZE_LIMIT", 1 << 20)
    packed = zlib.compress(file(b"a", bytes(2 << 20)) + END, wbits=31)
    with pytest.raises(LayerInvalid, match=f"more than {1 << 20} bytes"):
        made(packed)


def test_a_bomb_is_refused_long_before_it_has_gone_off(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_RATIO_FROM", 1 << 20)
    monkeypatch.setattr(stream, "_RATIO_LIMIT", 100)
    packed = zlib.compress(header(b"a", size=64 << 20) + bytes(64 << 20) + END, wbits=31)
    with pytest.raises(LayerInvalid, match="100 times its size"):
        made(packed)
    written = [path for path in (tmp_path / "layer").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) < 32 << 20


def test_modes_do_not_depend_on_the_umask(made: Made, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        made(header(b"d/", DIR, mode=0o1777) + file(b"d/f", b"x", 0o4755) + END)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    found = listing(tmp_path / "layer/root")
    assert [found[name][0] for name in ("d", "d/f")] == ["drwxrwxrwt", "-rwsr-xr-x"]


def test_a_regular_entry_whose_name_ends_with_a_slash_is_a_directory(made: Made, tmp_path: Path) -> None:
    made(header(b"d/", REG, mode=0o755) + END)
    assert (tmp_path / "layer/root/d").is_dir()
