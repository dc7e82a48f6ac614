"""Reading a tree of files that somebody else may be changing: each entry as an archive would have it.

Every entry is opened before it is looked at, and no symbolic link is followed, so whatever the other does we read what
is below the directory we were given, and only files that are files.
"""

import os
import stat
from collections.abc import Container, Iterator
from contextlib import suppress
from typing import Final, NamedTuple, Self

from runtime.errors import Fault
from runtime.kernel import open_inside
from runtime.tar import HARD_LINK, Entry
from runtime.tree import is_kept, show

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE: Final = 1024 * 1024


class Found(NamedTuple):
    """An entry of the tree. ``file`` is open for reading, of a regular file, until the next one is asked for."""

    entry: Entry
    file: int = -1

    def copy(self, size: int, target: int) -> None:
        """Write the first bytes of the content to an open file; what is not there any more is zeros."""
        left = size
        while left and (sent := _send(self.file, target, left)):
            left -= sent
        if left:
            os.ftruncate(target, size)

    def read(self, size: int = _PIECE, /) -> bytes:
        """Read on, as a file does."""
        return os.read(self.file, size)


def read_tree(top: int, name: bytes, without: Container[int] = ()) -> Iterator[Found]:
    """Read an open directory, which is called ``name``, and all below it; directories come before what is in them.

    Directories on the devices ``without`` are given as if they were empty. Raises OSError, and Fault if the tree is
    deeper than a path can be.
    """
    links: dict[tuple[int, int], bytes] = {}
    pending = [b"."]
    while pending:
        path = pending.pop()
        try:
            directory = open_inside(top, path, _DIRECTORY, links=False)
        except OSError:
            if path == b".":
                raise
            continue  # it is gone, or something else by now
        try:
            state = os.fstat(directory)
            yield Found(describe(directory, _join(name, path)))
            below = []
            for child in sorted(map(os.fsencode, os.listdir(directory))) if state.st_dev not in without else ():
                inner = _join(path, child)
                with suppress(FileNotFoundError), Opened(os.open(child, _LOOK, dir_fd=directory)) as file:
                    if file.is_directory:
                        below.append(inner)
                    else:
                        yield from file.read(_join(name, inner), links)
        finally:
            os.close(directory)
        if len(path) > 4095:
            raise Fault(f"the directory {show(path)} is deeper than can be copied")
        pending.extend(reversed(below))


class Opened:
    """An entry of a tree, whatever it is, opened without any effect on it (open(2), O_PATH)."""

    def __init__(self, file: int) -> None:
        self._file = file
        self.state = os.fstat(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def link(self) -> bytes:
        """Tell where the symbolic link leads."""
        return os.readlink(b"", dir_fd=self._file)

    @property
    def is_directory(self) -> bool:
        """Whether there can be something below it."""
        return stat.S_ISDIR(self.state.st_mode)

    def directory(self) -> int:
        """Open the directory for reading."""
        return os.open(b".", _DIRECTORY, dir_fd=self._file)

    def read(self, name: bytes, links: dict[tuple[int, int], bytes]) -> Iterator[Found]:
        """Give it as an entry of that name, if it is no directory. ``links`` are the names of files with several."""
        state = self.state
        kind = stat.S_IFMT(state.st_mode)
        if kind == stat.S_IFSOCK:
            return  # of no use without who listens; Docker leaves them out too
        if state.st_nlink > 1:
            first = links.setdefault((state.st_dev, state.st_ino), name)
            if first != name:
                yield Found(_entry(name, state, kind=HARD_LINK, link=first))
                return
        if kind == stat.S_IFLNK:
            yield Found(_entry(name, state, link=self.link()))
        elif kind == stat.S_IFREG:
            # By what we hold, not by its name, which may lead to something else by now.
            file = os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                yield Found(describe(file, name), file)
            finally:
                os.close(file)
        else:
            yield Found(_entry(name, state))


def describe(file: int, name: bytes) -> Entry:
    """Give the entry of an open file or directory, by a name."""
    return _entry(name, os.fstat(file), xattrs=_xattrs(file))


def _entry(
    name: bytes, state: os.stat_result, *, kind: int = -1, link: bytes = b"", xattrs: dict[bytes, bytes] | None = None
) -> Entry:
    kind = stat.S_IFMT(state.st_mode) if kind < 0 else kind
    return Entry(
        name=name,
        kind=kind,
        mode=stat.S_IMODE(state.st_mode),
        uid=state.st_uid,
        gid=state.st_gid,
        size=state.st_size if kind == stat.S_IFREG else 0,
        mtime=state.st_mtime_ns,
        link=link,
        device=state.st_rdev,
        xattrs=xattrs or {},
    )


def _xattrs(file: int) -> dict[bytes, bytes]:
    found = {}
    with suppress(OSError):  # of a file system without them
        for name in map(os.fsencode, os.listxattr(file)):
            if is_kept(name):
                found[name] = os.getxattr(file, name)
    return found


def _join(folder: bytes, name: bytes) -> bytes:
    if name == b".":
        return folder
    return name if folder == b"." else b"%s/%s" % (folder.rstrip(b"/"), name)


def _send(source: int, target: int, size: int) -> int:
    try:
        return os.copy_file_range(source, target, size)
    except OSError:  # not between these two file systems
        return os.sendfile(target, source, None, min(size, _PIECE))
