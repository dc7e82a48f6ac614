"""Unpack a layer into a directory that overlayfs takes as a lower one.

This runs as a process of its own for each layer, so that layers are unpacked side by side and a hostile one can be
ended. Whiteouts become overlayfs' own marks (image-spec, layer.md, "Whiteouts"; kernel, overlayfs.rst).
"""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from runtime.errors import LayerInvalid
from runtime.kernel import sync_file_system
from runtime.stream import LayerStream
from runtime.tar import HARD_LINK, Entry, entries
from runtime.tree import Tree, is_kept, is_whiteout, show, split

if TYPE_CHECKING:
    from storage.oci.digest import Digest

#: Above any honest layer: of the archive in bytes, and of its entries.
SIZE_LIMIT: Final = 256 * 1024**3
ENTRY_LIMIT: Final = 5_000_000

_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"
#: Other names that begin so are notes that AUFS left for itself.
_AUFS: Final = b".wh..wh."


class Unpacked(NamedTuple):
    """What a layer turned out to be."""

    digest: "Digest"
    diff_id: "Digest"
    size: int
    """Of the archive, in bytes."""


def unpack(source: BinaryIO, keep: BinaryIO, target: Path) -> Unpacked:
    """Read a layer, compressed or not, into an empty directory, and its bytes as they are into ``keep``.

    Owners and devices are made by root only; without it the files are the caller's. The files are durable on return.

    Raises:
        LayerInvalid: the layer is damaged or hostile; what was unpacked so far is left to the caller to remove.
        OSError: such as a full disk.

    """
    from storage.oci.digest import Digest  # noqa: PLC0415 - not for those who need the constants only

    stream = LayerStream(source, keep.write, SIZE_LIMIT)
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    before = os.umask(0)
    try:
        unpacking = _Unpacking(root, stream, as_root=os.geteuid() == 0)
        for number, entry in enumerate(entries(stream), start=1):
            if number > ENTRY_LIMIT:
                raise LayerInvalid(f"the layer has more than {ENTRY_LIMIT} entries")
            unpacking.add(entry)
        stream.drain()
        unpacking.finish()
        keep.flush()
        sync_file_system(root)
    finally:
        os.umask(before)
        os.close(root)
    return Unpacked(
        Digest(f"sha256:{stream.compressed.hexdigest()}"),
        Digest(f"sha256:{stream.archive.hexdigest()}"),
        stream.archive_size,
    )


class _Unpacking:
    def __init__(self, root: int, stream: LayerStream, *, as_root: bool) -> None:
        self._stream = stream
        self._as_root = as_root
        self._tree = Tree(root, "trusted.overlay.opaque" if as_root else "user.overlay.opaque")
        self._directories: dict[tuple[bytes, ...], Entry] = {}

    def add(self, entry: Entry) -> None:
        path = split(entry.name)
        if not path:
            if entry.kind != stat.S_IFDIR:
                raise LayerInvalid("the root of the layer is no directory")
            self._directories[path] = entry
            return
        directory = self._tree.directory(path[:-1])
        if path[-1].startswith(_WHITEOUT):
            self._add_whiteout(directory, path[-1])
            self._stream.skip(entry.size)
        elif entry.kind == stat.S_IFDIR:
            self._add_directory(directory, path, entry)
        else:
            self._tree.remove(directory, path[-1])
            self._forget(path)
            self._add_other(directory, path[-1], entry)

    def finish(self) -> None:
        """Give directories their attributes, which making entries in them would have changed or prevented."""
        for path, entry in sorted(self._directories.items(), key=lambda item: len(item[0]), reverse=True):
            self._dress(self._tree.directory(path), entry)
        self._tree.close()

    def _forget(self, path: tuple[bytes, ...]) -> None:
        """Drop the directories that something else has replaced, together with those below."""
        if self._directories.pop(path, None) is not None:
            for below in [d for d in self._directories if d[: len(path)] == path]:
                del self._directories[below]

    def _add_whiteout(self, directory: int, name: bytes) -> None:
        hidden = name.removeprefix(_WHITEOUT)
        if name == _OPAQUE:
            os.setxattr(directory, self._tree.opaque, b"y")
            return
        if name.startswith(_AUFS):
            return
        if hidden in (b"", b".", b".."):
            raise LayerInvalid(f"the layer's whiteout {show(name)} hides no file")
        # A whiteout is for the layers below, so what this layer has at the name stays.
        try:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=directory)
        except FileExistsError:
            if stat.S_ISDIR(os.stat(hidden, dir_fd=directory, follow_symlinks=False).st_mode):
                os.setxattr(_beside(directory, hidden), self._tree.opaque, b"y", follow_symlinks=False)

    def _add_directory(self, directory: int, path: tuple[bytes, ...], entry: Entry) -> None:
        name = path[-1]
        try:
            os.mkdir(name, 0o755, dir_fd=directory)
        except FileExistsError:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=directory)
                os.mkdir(name, 0o755, dir_fd=directory)
            if is_whiteout(found):
                os.setxattr(_beside(directory, name), self._tree.opaque, b"y", follow_symlinks=False)
        self._directories[path] = entry

    def _add_other(self, directory: int, name: bytes, entry: Entry) -> None:
        if entry.kind == stat.S_IFREG:
            self._add_file(directory, name, entry)
            return
        if entry.kind == HARD_LINK:
            self._add_hard_link(directory, name, entry)
            return
        if entry.kind == stat.S_IFLNK:
            if not entry.link or b"\0" in entry.link or len(entry.link) > 4095:
                raise LayerInvalid(f"the symbolic link {show(entry.name)} of the layer leads to no possible name")
            os.symlink(entry.link, name, dir_fd=directory)
        elif self._as_root or entry.kind == stat.S_IFIFO:
            os.mknod(name, entry.kind | 0o600, entry.device, dir_fd=directory)
        else:
            return
        self._dress_by_name(directory, name, entry)

    def _add_file(self, directory: int, name: bytes, entry: Entry) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o600, dir_fd=directory)
        try:
            self._stream.copy(entry.size, file)
            self._dress(file, entry)
        finally:
            os.close(file)

    def _add_hard_link(self, directory: int, name: bytes, entry: Entry) -> None:
        target = split(entry.link)
        if not target:
            raise LayerInvalid(f"the hard link {show(entry.name)} of the layer leads to the root")
        above = os.dup(directory)  # looking up the other end lets go of this one
        try:
            there = self._tree.directory(target[:-1])
            found = os.stat(target[-1], dir_fd=there, follow_symlinks=False)
            if is_whiteout(found) or stat.S_ISDIR(found.st_mode):
                raise FileNotFoundError
            os.link(target[-1], name, src_dir_fd=there, dst_dir_fd=above, follow_symlinks=False)
        except FileNotFoundError as error:
            raise LayerInvalid(
                f"the hard link {show(entry.name)} of the layer leads to {show(entry.link)}, which is no file of it"
            ) from error
        finally:
            os.close(above)

    def _dress(self, file: int, entry: Entry) -> None:
        """Set owner, mode, attributes and time, in the order in which none undoes another."""
        if self._as_root:
            os.chown(file, entry.uid, entry.gid)
        os.chmod(file, entry.mode)
        for key, value in entry.xattrs.items():
            self._set_xattr(file, key, value)
        os.utime(file, ns=(entry.mtime, entry.mtime))

    def _dress_by_name(self, directory: int, name: bytes, entry: Entry) -> None:
        if self._as_root:
            os.chown(name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
        if entry.kind != stat.S_IFLNK:
            os.chmod(name, entry.mode, dir_fd=directory)
        for key, value in entry.xattrs.items():
            self._set_xattr(_beside(directory, name), key, value)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=directory, follow_symlinks=False)

    def _set_xattr(self, file: int | bytes, key: bytes, value: bytes) -> None:
        if not is_kept(key):
            return
        # Not every file system has attributes, and a link or device takes none of the user's; Docker goes on as well.
        with suppress(OSError):
            os.setxattr(file, key, value, follow_symlinks=isinstance(file, int))


def _beside(directory: int, name: bytes) -> bytes:
    """Name an entry of an open directory for a call that takes paths only."""
    return b"/proc/self/fd/%d/%s" % (directory, name)


def main(arguments: list[str]) -> int:
    """Unpack standard input; the arguments are the directory, the file to keep it in, its digest and its diff ID."""
    target, keep, digest, diff_id = arguments
    try:
        with Path(keep).open("wb") as file:
            done = unpack(sys.stdin.buffer, file, Path(target))
    except LayerInvalid as fault:
        return _fail(str(fault))
    except OSError as error:
        return _fail(f"the layer cannot be unpacked: {error.strerror}: {show(os.fsencode(error.filename or target))}")
    if done.digest != digest:
        return _fail(f"the registry sent {done.digest} as layer {digest}")
    if done.diff_id != diff_id:
        return _fail(f"the layer {digest} holds {done.diff_id}, and the image says {diff_id}")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(message + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
