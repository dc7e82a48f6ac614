"""Removing trees of files that a container or an archive may have shaped.

Apart from what else is done in them, for every command and each supervisor may have to remove one.
"""

from __future__ import annotations

import os

from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def empty(directory: int, name: bytes) -> None:
    """Remove all that is in a directory, following no link."""
    # Not by recursion: the archive decides how deep it is.
    pending: list[tuple[bytes, ...]] = [(name,)]
    while pending:
        path = pending[-1]
        below = _open_path(directory, path)
        try:
            with os.scandir(below) as found:
                children = [(os.fsencode(e.name), e.is_dir(follow_symlinks=False)) for e in found]
            deeper = [(*path, child) for child, is_directory in children if is_directory]
            for child, is_directory in children:
                if not is_directory:
                    os.unlink(child, dir_fd=below)
        finally:
            os.close(below)
        if deeper:
            pending.extend(deeper)
            continue
        pending.pop()
        if len(path) > 1:
            above = _open_path(directory, path[:-1])
            os.rmdir(path[-1], dir_fd=above)
            os.close(above)


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a directory and all below it, following no link. It is no fault if it is not there."""
    parent, name = os.path.split(os.fspath(path))
    with suppress(FileNotFoundError):
        above = os.open(parent, _DIRECTORY)
        try:
            empty(above, os.fsencode(name))
            os.rmdir(name, dir_fd=above)
        finally:
            os.close(above)


def _open_path(directory: int, path: tuple[bytes, ...]) -> int:
    at = directory
    for part in path:
        below = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
        if at != directory:
            os.close(at)
        at = below
    return at
