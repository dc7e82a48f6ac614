"""What files take of a disk."""

from __future__ import annotations

import os
import stat

from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container import Container


def size_of_tree(folder: str) -> int:
    """Add up the bytes in the files below a folder; one that is not there has none."""
    size = 0
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                state = os.lstat(f"{path}/{name}")
                size += 0 if stat.S_ISDIR(state.st_mode) else state.st_size
    return size


def size_written(container: Container) -> int:
    """Add up the bytes that a container has written outside of volumes."""
    return size_of_tree(f"{container.directory}/upper")
