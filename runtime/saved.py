"""Files of saved images, read where they lie: a tar archive, packed or not, or the directory of an OCI layout.

Nothing is extracted. A name in an archive only ever finds a part of the same archive, so it cannot lead anywhere else.
"""

import gzip
import os
import shutil
import stat
import zlib
from bz2 import BZ2File
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from io import BufferedReader
from lzma import LZMAError, LZMAFile
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from runtime.errors import Fault, LayerInvalid
from runtime.tar import HARD_LINK, Entry, entries
from runtime.tree import split
from runtime.zstd import ZstdError, ZstdFile
from storage.oci.digest import Digest

_PIECE: Final = 1024 * 1024
#: An archive of a thousand images has some ten thousand entries.
_ENTRY_LIMIT: Final = 200_000
#: So many links may follow each other; old versions of docker write one where a layer occurs twice.
_LINKS: Final = 8


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


#: How a file is packed, by its first bytes.
_PACKED: Final[dict[bytes, Callable[[BufferedReader], _Readable]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"\x28\xb5\x2f\xfd": ZstdFile,
    b"\xfd7zXZ\0": LZMAFile,
    b"BZh": BZ2File,
}

_Path = tuple[bytes, ...]


class Part(NamedTuple):
    """A stretch of a file of this host. ``offset`` and ``size`` are in bytes."""

    path: Path
    offset: int
    size: int

    def read(self, limit: int) -> bytes:
        """Read all of it. Raises Fault if that is more than ``limit`` bytes."""
        if self.size > limit:
            raise Fault(f"{self.path} has a description of {self.size} bytes, more than the {limit} that are allowed")
        return self.begin(self.size)

    def begin(self, size: int) -> bytes:
        """Read the first bytes, at most so many."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(min(size, self.size))

    def digest(self) -> Digest:
        """Compute the digest of all of it."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            sizes = (min(_PIECE, self.size - at) for at in range(0, self.size, _PIECE))
            return Digest.of_pieces(file.read(size) for size in sizes)


class SavedBlob:
    """A part of an archive in the shape of ``storage.repository.Blob``."""

    def __init__(self, digest: Digest, part: Part) -> None:
        self.digest = digest
        self.size = part.size
        self.path = None
        self._part = part

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Read bytes ``start`` up to, not including, ``stop``."""
        end = self.size if stop is None else min(stop, self.size)
        with self._part.path.open("rb") as file:
            file.seek(self._part.offset + start)
            while start < end and (piece := file.read(min(_PIECE, end - start))):
                start += len(piece)
                yield piece


class Files(Protocol):
    """What was saved, by name."""

    def find(self, name: str, /) -> Part | None:
        """Find a file."""


class Folder:
    """A directory; links in it are not followed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, name: str, /) -> Part | None:
        """Find a file."""
        path = self._path
        for step in name.split("/"):
            path /= step
            if step == ".." or path.is_symlink():
                return None
        with suppress(OSError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                return Part(path, 0, found.st_size)
        return None


class Tar:
    """An archive whose table of contents is read once. Raises Fault if it is damaged."""

    def __init__(self, path: Path, shown: str) -> None:
        self._parts: dict[_Path, Part] = {}
        self._links: dict[_Path, _Path] = {}
        with path.open("rb") as file:
            source = _Source(file)
            try:
                for number, entry in enumerate(entries(source)):
                    if number == _ENTRY_LIMIT:
                        raise Fault(f"{shown} has more than {_ENTRY_LIMIT} entries, and no archive of images has")
                    self._add(entry, Part(path, file.tell(), entry.size))
                    source.skip(entry.size)
            except LayerInvalid as error:
                raise Fault(f"{shown} is no whole archive: {error}") from error

    def find(self, name: str, /) -> Part | None:
        """Find a file."""
        with suppress(LayerInvalid):
            path = split(name.encode())
            for _ in range(_LINKS):
                if path in self._parts:
                    return self._parts[path]
                path = self._links.get(path, ())
        return None

    def _add(self, entry: Entry, part: Part) -> None:
        path = split(entry.name)
        self._parts.pop(path, None)
        self._links.pop(path, None)
        if entry.kind == stat.S_IFREG:
            self._parts[path] = part
        elif entry.kind == HARD_LINK:
            self._links[path] = split(entry.link)
        elif entry.kind == stat.S_IFLNK:
            self._links[path] = split(b"/".join((*path[:-1], entry.link)))


class _Source:
    """A file for ``runtime.tar``, in which passing over is free."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def read(self, size: int, /) -> bytes:
        """Read bytes."""
        return self._file.read(size)

    def skip(self, size: int, /) -> None:
        """Pass over bytes. Raises LayerInvalid if the file ends before."""
        if self._file.tell() + size > self._size:
            raise LayerInvalid("it is cut off")
        self._file.seek(size, os.SEEK_CUR)


def open_saved(path: Path | None, workspace: Path) -> Files:
    """Open a directory or an archive, which without a path comes on standard input. Raises Fault or OSError.

    What is packed, or cannot be read twice, is first written to the workspace.
    """
    if path is not None and path.is_dir():
        return Folder(path)
    shown = str(path or "standard input")
    with open(0 if path is None else path, "rb") as file:
        first = file.peek(6)
        packed = next((opener for magic, opener in _PACKED.items() if first.startswith(magic)), None)
        if path is not None and path.is_file() and packed is None:
            return Tar(path, shown)
        spooled = workspace / "archive"
        with spooled.open("xb") as target:
            try:
                source: _Readable = packed(file) if packed else file
                shutil.copyfileobj(source, target, _PIECE)
            except (EOFError, zlib.error, LZMAError, gzip.BadGzipFile, ZstdError) as error:
                raise Fault(f"{shown} cannot be unpacked: {error}") from error
    return Tar(spooled, shown)
