"""Whiteouts as overlayfs wants them (image-spec, layer.md, "Whiteouts")."""

import os
import stat
from pathlib import Path

from tests.runtime.archives import DIR, END, file, header, unpack_here

OPAQUE = "trusted.overlay.opaque" if os.geteuid() == 0 else "user.overlay.opaque"


def is_whiteout(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def opaque(path: Path) -> bool:
    return OPAQUE in os.listxattr(path) and os.getxattr(path, OPAQUE) == b"y"


def test_a_whiteout_hides_what_lower_layers_have(tmp_path: Path) -> None:
    unpack_here(file(b"etc/.wh.passwd") + END, tmp_path)
    assert os.listdir(tmp_path / "etc") == ["passwd"]
    assert is_whiteout(tmp_path / "etc/passwd")


def test_an_opaque_mark_hides_all_that_is_in_a_directory(tmp_path: Path) -> None:
    unpack_here(header(b"d/", DIR, mode=0o755) + file(b"d/.wh..wh..opq") + file(b"d/a", b"x") + END, tmp_path)
    assert opaque(tmp_path / "d")
    assert os.listdir(tmp_path / "d") == ["a"]


def test_an_opaque_mark_may_come_before_its_directory(tmp_path: Path) -> None:
    unpack_here(file(b"d/.wh..wh..opq") + header(b"d/", DIR, mode=0o751) + END, tmp_path)
    assert opaque(tmp_path / "d")
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o751


def test_a_whiteout_leaves_a_file_of_its_own_layer(tmp_path: Path) -> None:
    unpack_here(file(b"a", b"new") + file(b".wh.a") + file(b".wh.b") + file(b"b", b"new") + END, tmp_path)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"new"


def test_a_directory_removed_and_made_again_hides_the_old_one(tmp_path: Path) -> None:
    directory = header(b"d/", DIR, mode=0o755)
    unpack_here(file(b".wh.d") + directory + file(b"d/a", b"x") + END, tmp_path / "whiteout first")
    unpack_here(directory + file(b"d/a", b"x") + file(b".wh.d") + END, tmp_path / "directory first")
    unpack_here(file(b".wh.d") + file(b"d/a", b"x") + END, tmp_path / "without an entry")
    for case in tmp_path.iterdir():
        assert opaque(case / "d"), case.name
        assert (case / "d/a").read_bytes() == b"x"


def test_the_notes_of_aufs_are_passed_over(tmp_path: Path) -> None:
    unpack_here(file(b".wh..wh.plnk", b"x") + file(b".wh..wh.aufs", b"x") + file(b"a", b"x") + END, tmp_path)
    assert os.listdir(tmp_path) == ["a"]
