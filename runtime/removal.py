"""Removing trees of files that a container or an archive may have shaped.

Apart from what else is done in them, for every command and each supervisor may have to remove one.
"""

from __future__ import annotations

import errno
import os

from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW: Final = _DIRECTORY | os.O_NOFOLLOW


def empty(directory: int, name: bytes) -> None:
    """Remove all that is in a directory, following no link."""
    at = os.open(name, _BELOW, dir_fd=directory)
    try:
        # Not by recursion, and each directory from the one above: a container decides how deep it is.
        left, above = [_thin_out(at)], []
        while left:
            if left[-1]:
                child = left[-1].pop()
                above.append((child, os.fstat(at)))
                at = _move(at, child)
                left.append(_thin_out(at))
                continue
            left.pop()
            if left:
                child, status = above.pop()
                at = _move(at, b"..")
                if not os.path.samestat(os.fstat(at), status):
                    raise OSError(errno.ESTALE, "a directory was moved while it was being removed", os.fsdecode(child))
                os.rmdir(child, dir_fd=at)
    finally:
        os.close(at)


def _move(directory: int, name: bytes) -> int:
    """Open a directory beside another one that is open, and close that."""
    opened = os.open(name, _BELOW, dir_fd=directory)
    os.close(directory)
    return opened


def _thin_out(directory: int) -> list[bytes]:
    """Remove what can be removed at once; give the directories that cannot."""
    with os.scandir(directory) as found:
        children = [(os.fsencode(e.name), e.is_dir(follow_symlinks=False)) for e in found]
    left = []
    for child, is_directory in children:
        if not is_directory:
            os.unlink(child, dir_fd=directory)
            continue
        try:
            os.rmdir(child, dir_fd=directory)
        except OSError:  # it is not empty, as a rule; else that is said when it is
            left.append(child)
    return left


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
