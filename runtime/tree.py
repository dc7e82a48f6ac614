"""A directory into which a hostile archive may write: no name leads out of it.

Every step goes from an open directory to a name directly in it, and no symbolic link is followed by us. Where a
directory of the archive is a link, the kernel follows it within the tree (openat2, RESOLVE_IN_ROOT).
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from runtime.errors import LayerInvalid
from runtime.kernel import open_inside
from runtime.removal import empty

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_LINK: Final = _DIRECTORY | os.O_NOFOLLOW


def split(name: bytes) -> tuple[bytes, ...]:
    """Part a name into components, as seen from the root of the image; the root itself has none.

    Raises:
        LayerInvalid: it leads out of the root, or no file system could hold it.

    """
    if b"\0" in name or len(name) > 4096:
        raise LayerInvalid(f"the name {show(name)} in the layer is too long or holds a zero byte")
    parts = name.split(b"/")
    if b".." in name:
        parts = _climb(name)
    elif b"" in parts or b"." in parts:
        parts = [part for part in parts if part not in (b"", b".")]
    if len(name) > 255 and any(len(part) > 255 for part in parts):
        raise LayerInvalid(f"the name {show(name)} in the layer is too long or holds a zero byte")
    return tuple(parts)


def _climb(name: bytes) -> list[bytes]:
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise LayerInvalid(f"the entry {show(name)} of the layer leads out of the root")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return parts


def show(name: bytes) -> str:
    """Give a name as it may be printed."""
    return repr(name[:200].decode(errors="backslashreplace"))


class Tree:
    """The root directory, with the directory that was used last kept open: archives go directory by directory."""

    def __init__(self, root: int, opaque: str, made: Callable[[int, bytes], None]) -> None:
        self.root = root
        self.opaque = opaque
        """The extended attribute by which overlayfs knows a directory that hides those below it."""
        self._made = made
        """Told of each directory that was missing, open, and of its name."""
        self._path: tuple[bytes, ...] = ()
        self._directory = root

    def close(self) -> None:
        """Let go of the directory that was used last; the root is the caller's."""
        if self._directory != self.root:
            os.close(self._directory)
        self._path, self._directory = (), self.root

    def directory(self, path: tuple[bytes, ...]) -> int:
        """Open a directory, and make it and those above it where they are not there.

        It stays open until the next call. Raises LayerInvalid if something else is in the way.
        """
        if path != self._path:
            opened = self._walk(path)
            self.close()
            self._path, self._directory = path, opened
        return self._directory

    def _walk(self, path: tuple[bytes, ...]) -> int:
        at = self.root
        for depth, part in enumerate(path, start=1):
            try:
                below = self._step(at, part, path[:depth])
            finally:
                if at != self.root:
                    os.close(at)
            at = below
        return at

    def _step(self, at: int, part: bytes, path: tuple[bytes, ...]) -> int:
        try:
            return os.open(part, _NO_LINK, dir_fd=at)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return self._make(at, part)
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
        found = os.stat(part, dir_fd=at, follow_symlinks=False)
        if is_whiteout(found):
            os.unlink(part, dir_fd=at)
            made = self._make(at, part)
            os.setxattr(made, self.opaque, b"y")
            return made
        if stat.S_ISLNK(found.st_mode):
            with suppress(OSError):
                return open_inside(self.root, b"/".join(path), _DIRECTORY)
        raise LayerInvalid(f"{show(b'/'.join(path))} has entries below it in the layer, and is no directory")

    def _make(self, at: int, name: bytes) -> int:
        os.mkdir(name, 0o755, dir_fd=at)
        made = os.open(name, _NO_LINK, dir_fd=at)
        self._made(made, name)
        return made

    def remove(self, directory: int, name: bytes) -> None:
        """Remove what is at a name, with all below it. It is no fault if nothing is there."""
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            empty(directory, name)
            os.rmdir(name, dir_fd=directory)


def is_whiteout(found: os.stat_result) -> bool:
    """Tell whether overlayfs takes an entry as the mark of something removed."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_kept(attribute: bytes) -> bool:
    """Tell whether an image may bring an extended attribute.

    Those by which overlayfs or the host's policies could be steered it may not.
    """
    allowed = attribute == b"security.capability" or attribute.startswith((b"user.", b"system.posix_acl_"))
    return allowed and not attribute.startswith(b"user.overlay.")


def visit(root: int) -> Iterator[int]:
    """Open the directories of a tree one by one, those within before the one they are in, and the root last."""
    at, pending = os.dup(root), [_directories(root)]
    try:
        while True:
            if pending[-1]:
                below = os.open(pending[-1].pop(), _NO_LINK, dir_fd=at)
                os.close(at)
                at = below
                pending.append(_directories(at))
                continue
            pending.pop()
            # Up, as long as it may be left.
            above = os.open("..", _DIRECTORY, dir_fd=at) if pending else -1
            try:
                yield at
            finally:
                os.close(at)
                at = above
            if not pending:
                return
    finally:
        if at >= 0:
            os.close(at)


def _directories(directory: int) -> list[bytes]:
    with os.scandir(directory) as found:
        return [os.fsencode(entry.name) for entry in found if entry.is_dir(follow_symlinks=False)]
