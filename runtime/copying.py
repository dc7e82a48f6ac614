"""Copying between this host and a container, by the rules of ``docker cp``.

Either side is an open root and a path as it is seen from there. The kernel looks paths up within the root (openat2,
RESOLVE_IN_ROOT), so no link of a container leads to this host, and what is opened is not looked up again.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from runtime.errors import Fault, LayerInvalid
from runtime.kernel import open_inside
from runtime.tar import HARD_LINK, Entry, entries
from runtime.tree import show, split
from runtime.tree_reader import Found, Opened, read_tree
from runtime.tree_writer import TreeWriter

if TYPE_CHECKING:
    import tarfile

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_CLOEXEC
#: As the kernel has it (path_resolution(7)).
_LINKS: Final = 40
#: What the kernel shows in files of its own is no content to be copied.
_KERNELS: Final = (b"proc", b"sys", b"dev")
_ARCHIVE_LIMIT: Final = 1024**4


class Source(NamedTuple):
    """What is copied, open, and what it is called: ``.`` stands for what is in a directory rather than itself."""

    file: Opened
    name: bytes
    devices: frozenset[int]
    """Those of the kernel's own file systems."""

    def entries(self, name: bytes) -> Iterator[Found]:
        """Read it and all below it, under another name."""
        if not self.file.is_directory:
            yield from self.file.read(name, {})
            return
        directory = self.file.directory()
        try:
            yield from read_tree(directory, name, self.devices)
        finally:
            os.close(directory)


class Target(NamedTuple):
    """Where it goes: an open directory, and a name in it unless it is to keep its own."""

    directory: int
    name: bytes
    is_file: bool = False
    must_be_directory: bool = False


@contextmanager
def opened_source(root: int, path: bytes, *, links: bool) -> Iterator[Source]:
    """Open what is to be copied; a link as such, unless ``links`` or a slash at its end asks for where it leads.

    Raises Fault and OSError.
    """
    with Opened(open_inside(root, path, _LOOK if links else _LOOK | os.O_NOFOLLOW)) as file:
        devices = _kernel_devices(root)
        if file.state.st_dev in devices:
            raise Fault(f"{show(path)} is shown by the kernel, and cannot be copied")
        yield Source(file, _name(path), devices)


@contextmanager
def opened_target(root: int, path: bytes) -> Iterator[Target]:
    """Open the directory that is to be written to. Raises Fault and OSError."""
    target = _find_target(root, path)
    try:
        yield target
    finally:
        os.close(target.directory)


def _find_target(root: int, path: bytes) -> Target:
    at = path
    for _ in range(_LINKS):
        try:
            file = Opened(open_inside(root, at, _LOOK | os.O_NOFOLLOW))
        except FileNotFoundError:
            return _missing(root, at)
        with file:
            if file.is_directory:
                return Target(file.directory(), b"")
            if stat.S_ISREG(file.state.st_mode):
                return Target(open_inside(root, _parent(at), _DIRECTORY), _name(at), is_file=True)
            if not stat.S_ISLNK(file.state.st_mode):
                raise Fault(f"{show(path)} must be a directory or a regular file")
            at = os.path.normpath(os.path.join(_parent(at), file.link()))
    raise Fault(f"{show(path)} leads through too many links")


def copy(source: Source, target: Target, *, owners: bool) -> int:
    """Copy, and give the number of bytes. Raises Fault and OSError."""
    if source.file.is_directory and target.is_file:
        raise Fault(f"{show(target.name)} is a file, so no directory can be copied there")
    if target.must_be_directory and not source.file.is_directory:
        raise Fault(f"there is no directory {show(target.name)}")
    writer = TreeWriter(target.directory, b".", links=False, owners=owners)
    size = 0
    for found in source.entries(target.name or source.name):
        writer.add(found.entry, found.copy)
        size += found.entry.size
    writer.finish()
    return size


def write_archive(source: Source, out: BinaryIO) -> None:
    """Write it as a tar archive."""
    import tarfile  # noqa: PLC0415 - slow, and for those only who want an archive

    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for found in source.entries(source.name):
            archive.addfile(_member(found.entry), found if found.file >= 0 else None)


def read_archive(archive: BinaryIO, root: int, path: bytes) -> None:
    """Unpack a tar archive, compressed or not, in a directory. Raises Fault and OSError."""
    from runtime.stream import LayerStream  # noqa: PLC0415 - as above

    try:
        os.close(open_inside(root, path, _DIRECTORY))
    except (FileNotFoundError, NotADirectoryError):
        raise Fault(f"{show(path)} must be a directory for an archive to be unpacked there") from None
    stream = LayerStream(archive, _ARCHIVE_LIMIT)
    writer = TreeWriter(root, path, links=True, owners=True)
    try:
        for entry in entries(stream):
            parts = split(entry.name)
            if parts:
                link = b"/".join(split(entry.link)) if entry.kind == HARD_LINK else entry.link
                writer.add(entry._replace(name=b"/".join(parts), link=link), stream.copy)
        writer.finish()
        stream.drain()  # whoever writes it may not be done
    except LayerInvalid as fault:
        raise Fault(f"the archive cannot be read: {fault}") from fault
    finally:
        stream.close()


def _missing(root: int, path: bytes) -> Target:
    try:
        directory = open_inside(root, _parent(path), _DIRECTORY)
    except FileNotFoundError:
        raise Fault(f"there is no directory {show(_parent(path))} to copy to") from None
    return Target(directory, _name(path.removesuffix(b"/.")), must_be_directory=path.endswith((b"/", b"/.")))


def _kernel_devices(root: int) -> frozenset[int]:
    devices = set()
    for name in _KERNELS:
        try:
            with Opened(open_inside(root, name, _LOOK)) as file:
                devices.add(file.state.st_dev)
        except OSError:
            continue
    return frozenset(devices - {os.stat(b".", dir_fd=root).st_dev})


def _name(path: bytes) -> bytes:
    """Give the last part of a path, ``.`` for the root and behind a slash."""
    if path.endswith(b"/."):
        return b"."
    return path.rstrip(b"/").rpartition(b"/")[2] or b"."


def _parent(path: bytes) -> bytes:
    return path.removesuffix(b"/.").rstrip(b"/").rpartition(b"/")[0] or b"/"


def _member(entry: Entry) -> "tarfile.TarInfo":
    import tarfile  # noqa: PLC0415

    kinds = {
        stat.S_IFREG: tarfile.REGTYPE,
        HARD_LINK: tarfile.LNKTYPE,
        stat.S_IFLNK: tarfile.SYMTYPE,
        stat.S_IFCHR: tarfile.CHRTYPE,
        stat.S_IFBLK: tarfile.BLKTYPE,
        stat.S_IFDIR: tarfile.DIRTYPE,
        stat.S_IFIFO: tarfile.FIFOTYPE,
    }
    member = tarfile.TarInfo(os.fsdecode(entry.name))
    member.type, member.mode, member.size = kinds[entry.kind], entry.mode, entry.size
    member.uid, member.gid, member.linkname = entry.uid, entry.gid, os.fsdecode(entry.link)
    member.mtime = entry.mtime // 10**9
    member.devmajor, member.devminor = os.major(entry.device), os.minor(entry.device)
    member.pax_headers = {
        f"SCHILY.xattr.{os.fsdecode(name)}": value.decode(errors="surrogateescape")
        for name, value in entry.xattrs.items()
    }
    return member
