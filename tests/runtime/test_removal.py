"""Trees of files that others have shaped, removed without touching what lies beside them."""

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runtime.removal import remove_tree

NAMES = st.sampled_from(["a", "b", "..c", "\udcff", "x" * 255])
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(lambda names: Path(*names))
TREES = st.lists(st.tuples(PATHS, st.sampled_from(["file", "directory", "link", "broken", "pipe"])), max_size=12)


def make(path: Path, kind: str, outside: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        return
    match kind:
        case "file":
            path.write_bytes(b"x")
        case "directory":
            path.mkdir(mode=0)
        case "link":
            path.symlink_to(outside)
        case "broken":
            path.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(path)


@given(tree=TREES)
def test_a_tree_is_removed_and_nothing_else(tree: list[tuple[Path, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outside, removed = Path(folder, "outside"), Path(folder, "removed")
        make(outside / "kept/file", "file", outside)
        for path, kind in tree:
            try:
                make(removed / path, kind, outside)
            except (FileExistsError, NotADirectoryError, PermissionError):
                continue  # something is in its way
        remove_tree(removed)
        assert os.listdir(folder) == ["outside"]
        assert (outside / "kept/file").read_bytes() == b"x"


def test_a_tree_may_be_deep_and_may_be_gone(tmp_path: Path) -> None:
    depth = 5000
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=at)
        below = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    remove_tree(tmp_path / "deep")
    assert list(tmp_path.iterdir()) == []
    remove_tree(tmp_path / "deep")
