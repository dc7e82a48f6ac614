"""A layer as a directory: the tree of its archive is made on the host's file system, marked for overlayfs.

Whiteouts become overlayfs' own marks (kernel, overlayfs.rst).
"""

import os
import stat
from contextlib import suppress

from runtime.archive import IMPLIED, Budget
from runtime.attributes import dress
from runtime.errors import LayerInvalid
from runtime.rootless import privileges
from runtime.stream import LayerStream
from runtime.tar import Entry
from runtime.tree import Tree, is_whiteout, show, visit


class Directory:
    """A ``runtime.archive.Target`` below an open, empty directory.

    The host's root makes everything, root of a user namespace no devices, and of others all files are their own.
    """

    def __init__(self, root: int, budget: Budget) -> None:
        self._root = root
        self._privileges = privileges()
        self._opaque = self._privileges.opaque
        self._budget = budget
        # By inode: a name may come to stand for something else.
        self._dresses = {os.fstat(root).st_ino: IMPLIED}
        self._tree = Tree(root, self._opaque, self._imply)
        self._here = root

    def _imply(self, directory: int, name: bytes) -> None:
        self._budget.spend(len(name))
        self._dresses[os.fstat(directory).st_ino] = IMPLIED

    def enter(self, path: tuple[bytes, ...]) -> None:
        """See ``Target``."""
        self._here = self._tree.directory(path)

    def dress_root(self, entry: Entry) -> None:
        """See ``Target``."""
        self._dresses[os.fstat(self._root).st_ino] = entry

    def hide_all(self) -> None:
        """See ``Target``."""
        os.setxattr(self._here, self._opaque, b"y")

    def hide(self, name: bytes) -> None:
        """See ``Target``."""
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=self._here)
        except FileExistsError:
            if stat.S_ISDIR(os.stat(name, dir_fd=self._here, follow_symlinks=False).st_mode):
                os.setxattr(_beside(self._here, name), self._opaque, b"y", follow_symlinks=False)
        else:
            os.utime(name, ns=(0, 0), dir_fd=self._here, follow_symlinks=False)

    def remove(self, name: bytes) -> None:
        """See ``Target``."""
        self._tree.remove(self._here, name)

    def add_directory(self, name: bytes, entry: Entry) -> None:
        """See ``Target``."""
        try:
            os.mkdir(name, 0o755, dir_fd=self._here)
        except FileExistsError:
            found = os.stat(name, dir_fd=self._here, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=self._here)
                os.mkdir(name, 0o755, dir_fd=self._here)
            if is_whiteout(found):
                os.setxattr(_beside(self._here, name), self._opaque, b"y", follow_symlinks=False)
        # Made in it later, entries would change its time, or be prevented by its mode.
        self._dresses[os.stat(name, dir_fd=self._here, follow_symlinks=False).st_ino] = entry

    def add_file(self, name: bytes, entry: Entry, stream: LayerStream) -> None:
        """See ``Target``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o600, dir_fd=self._here)
        try:
            stream.copy(entry.size, file)
            self._dress(file, entry)
        finally:
            os.close(file)

    def add_other(self, name: bytes, entry: Entry) -> None:
        """See ``Target``."""
        if entry.kind == stat.S_IFLNK:
            os.symlink(entry.link, name, dir_fd=self._here)
        elif self._privileges.of_host or entry.kind == stat.S_IFIFO:
            os.mknod(name, entry.kind | 0o600, entry.device, dir_fd=self._here)
        else:
            return
        mode, attributes = dress(entry)
        if self._has_owner(entry):
            os.chown(name, entry.uid, entry.gid, dir_fd=self._here, follow_symlinks=False)
        if entry.kind != stat.S_IFLNK:
            os.chmod(name, mode, dir_fd=self._here)
        for key, value in attributes.items():
            _set_attribute(_beside(self._here, name), key, value)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=self._here, follow_symlinks=False)

    def add_hard_link(self, name: bytes, target: tuple[bytes, ...]) -> bool:
        """See ``Target``."""
        above = os.dup(self._here)  # looking up the other end lets go of this one
        try:
            there = self._tree.directory(target[:-1])
            found = os.stat(target[-1], dir_fd=there, follow_symlinks=False)
            if is_whiteout(found) or stat.S_ISDIR(found.st_mode):
                return False
            os.link(target[-1], name, src_dir_fd=there, dst_dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return False
        finally:
            os.close(above)
        return True

    def finish(self) -> None:
        """See ``Target``."""
        self._tree.close()
        for directory in visit(self._root):
            self._dress(directory, self._dresses[os.fstat(directory).st_ino])

    def _dress(self, file: int, entry: Entry) -> None:
        """Set owner, mode, attributes and time, in the order in which none undoes another."""
        mode, attributes = dress(entry)
        if self._has_owner(entry):
            os.chown(file, entry.uid, entry.gid)
        os.chmod(file, mode)
        for key, value in attributes.items():
            _set_attribute(file, key, value)
        os.utime(file, ns=(entry.mtime, entry.mtime))

    def _has_owner(self, entry: Entry) -> bool:
        """Tell whether to set the owner. Raises LayerInvalid if there is no such user or group."""
        ours = self._privileges
        if ours.owners and not (entry.uid < ours.uids and entry.gid < ours.gids):
            raise LayerInvalid(
                f"{show(entry.name)} of the layer belongs to {entry.uid}:{entry.gid}, and the ranges of /etc/subuid and"
                f" /etc/subgid end at {ours.uids}:{ours.gids}: lengthen them, or use root"
            )
        return ours.owners


def _set_attribute(file: int | bytes, key: bytes, value: bytes) -> None:
    # Not every file system has attributes; Docker goes on as well.
    with suppress(OSError):
        os.setxattr(file, key, value, follow_symlinks=isinstance(file, int))


def _beside(directory: int, name: bytes) -> bytes:
    """Name an entry of an open directory for a call that takes paths only."""
    return b"/proc/self/fd/%d/%s" % (directory, name)
