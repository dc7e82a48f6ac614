"""Writing entries below a directory that somebody else may be changing.

The directories on the way are looked up by the kernel within a root (openat2, RESOLVE_IN_ROOT), and the entry itself is
made by its name in an open directory, without following a link: so nothing is written outside, whatever the other does.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from runtime.errors import Fault
from runtime.kernel import open_inside
from runtime.tar import HARD_LINK, Entry
from runtime.tree import is_kept, show

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeWriter:
    """The directory ``base`` as seen from an open root.

    With ``links`` those of the tree are followed on the way to an entry, within the root. Without ``owners`` what is
    made belongs to whoever runs this.
    """

    def __init__(self, root: int, base: bytes, *, links: bool, owners: bool) -> None:
        self._root = root
        self._base = base
        self._links = links
        self._owners = owners
        self._directories: list[tuple[Entry, tuple[int, int]]] = []
        """What is to be dressed, with its device and inode."""
        self._path: bytes | None = None
        self._directory = -1

    def add(self, entry: Entry, copy: Callable[[int, int], None]) -> None:
        """Write an entry; ``copy`` writes so many bytes of its content to an open file.

        What is there is replaced, but directories are merged. Raises Fault if a directory should replace something
        else or be replaced by it, and OSError.
        """
        folder, _, name = entry.name.rpartition(b"/")
        directory = self._enter(folder)
        if entry.kind == stat.S_IFDIR:
            self._add_directory(directory, name, entry)
            return
        self._make_room(directory, name, entry)
        if entry.kind == HARD_LINK:
            self._add_hard_link(directory, name, entry)
        elif entry.kind == stat.S_IFREG:
            file = os.open(name, _NEW, 0o600, dir_fd=directory)
            try:
                copy(entry.size, file)
                self._dress(file, entry)
            finally:
                os.close(file)
        else:
            self._add_special(directory, name, entry)

    def finish(self) -> None:
        """Give directories their modes and times, which making entries in them would have prevented or changed."""
        for entry, identity in reversed(self._directories):
            directory = self._enter(entry.name)
            if _identity(os.fstat(directory)) != identity:
                raise Fault(f"{show(entry.name)} was replaced by somebody else while it was written")
            self._dress(directory, entry)
        self.close()

    def close(self) -> None:
        """Let go of the directory that was used last."""
        if self._path is not None:
            os.close(self._directory)
        self._path = None

    def open_directory(self, path: bytes) -> int:
        """Open a directory below the base, which is made with those above it if it is not there."""
        whole = b"%s/%s" % (self._base, path)
        try:
            return open_inside(self._root, whole, _DIRECTORY, links=self._links)
        except OSError as error:
            if error.errno != errno.ENOENT or path in (b"", b"."):
                raise
        above, _, name = path.rpartition(b"/")
        directory = self.open_directory(above)
        try:
            os.mkdir(name, 0o755, dir_fd=directory)
        finally:
            os.close(directory)
        return open_inside(self._root, whole, _DIRECTORY, links=self._links)

    def _enter(self, path: bytes) -> int:
        """Open a directory as above, until the next call."""
        if path != self._path:
            opened = self.open_directory(path)
            self.close()
            self._path, self._directory = path, opened
        return self._directory

    def _add_directory(self, directory: int, name: bytes, entry: Entry) -> None:
        if name in (b"", b"."):
            return  # the base stays as it is
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=directory)
        state = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISDIR(state.st_mode):
            raise Fault(f"{show(entry.name)} is a directory here, and none there: it is not replaced")
        self._directories.append((entry, _identity(state)))

    @staticmethod
    def _make_room(directory: int, name: bytes, entry: Entry) -> None:
        try:
            file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return
        try:
            # The kernel would take the mount away if it is one of another namespace than ours.
            if _mount_of(file) != _mount_of(directory):
                raise Fault(f"something is mounted at {show(entry.name)}, so it cannot be replaced")
        finally:
            os.close(file)
        try:
            os.unlink(name, dir_fd=directory)
        except IsADirectoryError:
            raise Fault(f"{show(entry.name)} is a directory there, and none here: it is not replaced") from None

    def _add_hard_link(self, directory: int, name: bytes, entry: Entry) -> None:
        folder, _, target = entry.link.rpartition(b"/")
        there = self.open_directory(folder)
        try:
            os.link(target, name, src_dir_fd=there, dst_dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            raise Fault(f"{show(entry.name)} cannot be a link to {show(entry.link)}: {error.strerror}") from error
        finally:
            os.close(there)

    def _add_special(self, directory: int, name: bytes, entry: Entry) -> None:
        if entry.kind == stat.S_IFLNK:
            os.symlink(entry.link, name, dir_fd=directory)
        else:
            os.mknod(name, entry.kind | 0o600, entry.device, dir_fd=directory)
        if self._owners:
            os.chown(name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
        if entry.kind != stat.S_IFLNK:
            # Not by its name, which may be a link by now: the kernel has no chmod that follows none.
            file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                os.chmod(f"/proc/self/fd/{file}", entry.mode)
            finally:
                os.close(file)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=directory, follow_symlinks=False)

    def _dress(self, file: int, entry: Entry) -> None:
        if self._owners:
            os.chown(file, entry.uid, entry.gid)
        dress(file, entry)


def dress(file: int, entry: Entry) -> None:
    """Set mode, attributes and time, behind the owner, which would undo some of it."""
    os.chmod(file, entry.mode)
    for key, value in entry.xattrs.items():
        if is_kept(key):
            with suppress(OSError):  # not every file system has them
                os.setxattr(file, key, value)
    os.utime(file, ns=(entry.mtime, entry.mtime))


def _mount_of(file: int) -> bytes:
    with open(f"/proc/self/fdinfo/{file}", "rb") as info:
        return next(line for line in info if line.startswith(b"mnt_id:"))


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino
