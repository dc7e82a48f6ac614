"""Whiteouts as overlayfs wants them (image-spec, layer.md, "Whiteouts")."""

import os
import stat
from pathlib import Path

from tests.runtime.archives import DIR, END, file, header
from tests.runtime.conftest import Made

OPAQUE = "trusted.overlay.opaque" if os.geteuid() == 0 else "user.overlay.opaque"


def is_whiteout(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def opaque(path: Path) -> bool:
    return OPAQUE in os.listxattr(path) and os.getxattr(path, OPAQUE) == b"y"


def test_a_whiteout_hides_what_lower_layers_have(made: Made, tmp_path: Path) -> None:
    made(file(b"etc/.wh.passwd") + END)
    assert os.listdir(tmp_path / "layer/root/etc") == ["passwd"]
    assert is_whiteout(tmp_path / "layer/root/etc/passwd")


def test_an_opaque_mark_hides_all_that_is_in_a_directory(made: Made, tmp_path: Path) -> None:
    made(header(b"d/", DIR, mode=0o755) + file(b"d/.wh..wh..opq") + file(b"d/a", b"x") + END)
    assert opaque(tmp_path / "layer/root/d")
    assert os.listdir(tmp_path / "layer/root/d") == ["a"]


def test_an_opaque_mark_may_come_before_its_directory(made: Made, tmp_path: Path) -> None:
    made(file(b"d/.wh..wh..opq") + header(b"d/", DIR, mode=0o751) + END)
    assert opaque(tmp_path / "layer/root/d")
    assert stat.S_IMODE((tmp_path / "layer/root/d").stat().st_mode) == 0o751


def test_a_whiteout_leaves_a_file_of_its_own_layer(made: Made, tmp_path: Path) -> None:
    made(file(b"a", b"new") + file(b".wh.a") + file(b".wh.b") + file(b"b", b"new") + END)
    assert (tmp_path / "layer/root/a").read_bytes() == (tmp_path / "layer/root/b").read_bytes() == b"new"


def test_a_directory_removed_and_made_again_hides_the_old_one(made: Made, tmp_path: Path) -> None:
    directory = header(b"d/", DIR, mode=0o755)
    made(file(b".wh.d") + directory + file(b"d/a", b"x") + END, "whiteout first")
    made(directory + file(b"d/a", b"x") + file(b".wh.d") + END, "directory first")
    made(file(b".wh.d") + file(b"d/a", b"x") + END, "without an entry")
    for case in tmp_path.iterdir():
        assert opaque(case / "root/d"), case.name
        assert (case / "root/d/a").read_bytes() == b"x"


def test_the_notes_of_aufs_are_passed_over(made: Made, tmp_path: Path) -> None:
    made(file(b".wh..wh.plnk", b"x") + file(b".wh..wh.aufs", b"x") + file(b"a", b"x") + END)
    assert os.listdir(tmp_path / "layer/root") == ["a"]
