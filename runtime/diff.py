"""What a container has changed of its image, by Docker's rules: overlayfs' upper directory against the image's root."""

import os
import stat
from contextlib import suppress
from typing import Final

from runtime.kernel import open_inside
from runtime.tree import is_whiteout

ADDED: Final = "A"
CHANGED: Final = "C"
DELETED: Final = "D"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def changes(upper: int, image: int) -> dict[str, str]:
    """Compare the open directory of overlayfs' changes with an image's root: the kind of each change, by its path.

    A directory is changed if something below it is, and its size and time are not looked at.
    """
    found: dict[bytes, str] = {}
    pending = [b"."]
    while pending:
        path = pending.pop()
        try:
            directory = open_inside(upper, path, _DIRECTORY, links=False)
        except OSError:  # gone while we looked
            continue
        try:
            before = _states(image, path)
            for name, state in _list(directory).items():
                below = _join(path, name)
                kind = _compare(before.pop(name, None), state)
                if kind is not None:
                    found[below] = kind
                if stat.S_ISDIR(state.st_mode):
                    pending.append(below)
            if _is_opaque(directory):
                found.update({_join(path, name): DELETED for name in before})
        finally:
            os.close(directory)
    for path in list(found):
        while path := path.rpartition(b"/")[0]:
            found.setdefault(path, CHANGED)
    return {f"/{os.fsdecode(path)}": kind for path, kind in sorted(found.items())}


def _join(folder: bytes, name: bytes) -> bytes:
    return name if folder == b"." else b"%s/%s" % (folder, name)


def _compare(before: os.stat_result | None, now: os.stat_result) -> str | None:
    if is_whiteout(now):
        return None if before is None else DELETED
    if before is None:
        return ADDED
    same = _facts(before) == _facts(now)
    return None if same else CHANGED


def _facts(state: os.stat_result) -> tuple[int, ...]:
    facts = (state.st_mode, state.st_uid, state.st_gid, state.st_rdev)
    return facts if stat.S_ISDIR(state.st_mode) else (*facts, state.st_size, state.st_mtime_ns)


def _states(root: int, path: bytes) -> dict[bytes, os.stat_result]:
    """List a directory; empty if there is none."""
    try:
        directory = open_inside(root, path, _DIRECTORY, links=False)
    except OSError:
        return {}
    try:
        return _list(directory)
    finally:
        os.close(directory)


def _list(directory: int) -> dict[bytes, os.stat_result]:
    found = {}
    for name in map(os.fsencode, os.listdir(directory)):
        with suppress(FileNotFoundError):
            found[name] = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return found


def _is_opaque(directory: int) -> bool:
    """Tell whether a directory hides those below it (kernel, overlayfs.rst)."""
    for name in ("trusted.overlay.opaque", "user.overlay.opaque"):
        with suppress(OSError):
            if os.getxattr(directory, name) == b"y":
                return True
    return False
