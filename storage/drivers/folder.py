"""Objects as files of a folder: the key is the path.

The folder may be shared by several processes. Files of our own lie in ``.preg~`` below it: objects on their way into
place, suspended uploads, and the locks of conditional writes.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple
from urllib.parse import unquote, urlsplit
from zlib import crc32

import aiofiles

from storage.drivers.files import describe, make_folder, sync_folder, write_all
from storage.drivers.folder_upload import FolderUpload
from storage.errors import AlreadyExists, PreconditionFailed, TooLarge
from storage.lock import locked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractContextManager

    from storage.driver import ObjectInfo

Ts = TypeVarTuple("Ts")
R = TypeVar("R")

_PIECE: Final = 1024 * 1024
#: A read up to this size takes less time than handing it to a thread does.
_INLINE: Final = 128 * 1024
#: What is read for every request: objects of up to so many bytes, so many of them.
_LINK: Final = 256
_LINKS: Final = 16_384
#: No file system's clock is coarser than that, in seconds.
_TICK: Final = 3.0
_THREADS: Final = 16
#: So many names are put in order at once.
_RUN: Final = 4096
_LOCKS: Final = 64
_PRIVATE_FOLDER: Final = 0o700


class FolderDriver:
    """A ``storage.driver.Driver`` over a folder of a local file system, which is made if it is not there.

    ``mode`` is that of new files. Where it lets nobody but the owner read them, the same holds for new folders. To none
    may others write, whatever the umask is.
    Only one user can serve a folder: what lies in ``.preg~`` is for nobody else, not even to be looked at.
    """

    name = "folder"

    def __init__(self, root: Path, *, mode: int = 0o644) -> None:
        self._root = f"{root}/"
        self._own = f"{root}/.preg~/"
        self.mode = mode
        self._folder_mode = 0o755 if mode & 0o077 else 0o700
        make_folder(str(root), self._folder_mode)
        for part in ("new", "uploads", "locks"):
            make_folder(self._own + part, _PRIVATE_FOLDER)
        _keep_private(self._own)
        self._pool = ThreadPoolExecutor(_THREADS, "folder")
        self._links: dict[str, tuple[tuple[int, int, int], bytes]] = {}

    async def stat(self, key: str, /) -> "ObjectInfo":
        return describe(key, os.stat(self._root + key))

    async def get(self, key: str, /, *, limit: int) -> bytes:
        path = self._root + key
        known = self._links.get(key)
        if known is not None and known[0] == _identity(os.stat(path)):
            return _within(limit, known[1])
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if status.st_size <= min(limit, _INLINE):
                data = os.read(descriptor, status.st_size)
                self._remember(key, status, data)
                return data
        finally:
            os.close(descriptor)
        describe(key, status)
        return _within(limit, await self.run(_read, path, limit + 1))

    async def read(self, key: str, /, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        async for piece in self.read_file(self._root + key, start, stop):
            yield piece

    async def put(
        self, key: str, data: bytes, /, *, if_match: str | None = None, if_absent: bool = False
    ) -> "ObjectInfo":
        return await self.run(self._put, key, data, if_match, if_absent)

    async def upload(self, key: str, /, *, resume: bool = False) -> "FolderUpload":
        path = f"{self._own}uploads/{sha256(key.encode()).hexdigest()}"
        return await self.run(FolderUpload, self, path, resume)

    async def delete(self, key: str, /) -> None:
        await self.run(self._delete, key)

    async def list(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[ObjectInfo]":
        for name in merge(*await self.run(self._names, prefix)):
            key = prefix + name
            if not name.endswith("/"):
                if key > start_after:
                    with contextlib.suppress(FileNotFoundError):
                        yield await self.stat(key)
            elif key > start_after or start_after.startswith(key):
                async for info in self.list(key, start_after=start_after):
                    yield info

    async def children(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[str]":
        for name in merge(*await self.run(self._children, prefix, start_after), key=_without_slash):
            yield name

    async def holds(self, prefix: str, /) -> bool:
        return await self.run(self._holds, prefix)

    async def purge_uploads(self, *, idle: float) -> int:
        return await self.run(self._purge, time.time() - idle)

    async def aclose(self) -> None:
        self._pool.shutdown()

    def local_path(self, key: str, /) -> Path:
        return Path(self._root + key)

    async def read_file(self, path: str, start: int, stop: int | None) -> "AsyncIterator[bytes]":
        """Read part of any file in pieces, off the event loop."""
        async with aiofiles.open(path, "rb", executor=self._pool) as file:
            if start:
                await file.seek(start)
            while piece := await file.read(_PIECE if stop is None else min(_PIECE, stop - start)):
                yield piece
                start += len(piece)

    def publish(self, path: str, key: str, check: "Callable[[str], None] | None" = None) -> None:
        """Rename a file that is durable already into its place, durably.

        ``check`` is called with the place, while nobody else writes there, and refuses by raising.
        """
        target = self._root + key
        folder = os.path.dirname(target)
        with self._lock(key, fcntl.LOCK_SH if check is None else fcntl.LOCK_EX):
            if check is not None:
                check(target)
            while True:
                try:
                    os.replace(path, target)
                    break
                except FileNotFoundError:
                    # The folder was never there, or went with its last object: see _prune.
                    if not os.path.exists(path):
                        raise
                    make_folder(folder, self._folder_mode)
        sync_folder(folder)

    async def run(self, function: "Callable[[*Ts], R]", *args: *Ts) -> "R":
        """Call a function that may block, in one of the driver's own threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    def _remember(self, key: str, status: os.stat_result, data: bytes) -> None:
        """Keep a link, which later reads need only compare with its file's status.

        A file as young as the clock's tick could be replaced by one of the same status, so it is not kept.
        """
        if len(data) <= _LINK and time.time() - status.st_mtime > _TICK:
            if len(self._links) == _LINKS:
                self._links.clear()
            self._links[key] = (_identity(status), data)

    def _put(self, key: str, data: bytes, if_match: str | None, if_absent: bool) -> "ObjectInfo":
        path = f"{self._own}new/{uuid.uuid4().hex}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self.mode)
        try:
            try:
                write_all(descriptor, [data], 0)
                os.fsync(descriptor)
                info = describe(key, os.fstat(descriptor))
            finally:
                os.close(descriptor)
            conditional = if_absent or if_match is not None
            self.publish(path, key, partial(_check_condition, if_match) if conditional else None)
        except BaseException:
            os.unlink(path)
            raise
        return info

    def _delete(self, key: str) -> None:
        path = self._root + key
        with self._lock(key, fcntl.LOCK_SH):
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                return
        folder = os.path.dirname(path)
        sync_folder(folder)
        self._prune(folder)

    def _prune(self, folder: str) -> None:
        """Remove the folders that the last object below them left empty."""
        while len(folder) >= len(self._root):
            try:
                os.rmdir(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                    raise
                return
            folder = os.path.dirname(folder)

    def _names(self, prefix: str) -> "Sequence[Sequence[str]]":
        """Name what lies directly below a prefix, folders with a slash, in lists of which each is in order.

        To put all in order at once would hold up all other threads, for nobody takes more than the first of many.
        """
        runs = []
        try:
            with os.scandir(self._root + prefix) as entries:
                names = (e.name + "/" if e.is_dir() else e.name for e in entries if not e.name.endswith("~"))
                while run := sorted(islice(names, _RUN)):
                    runs.append(run)
        except (FileNotFoundError, NotADirectoryError):
            pass
        return runs

    def _children(self, prefix: str, start_after: str) -> "Sequence[Sequence[str]]":
        """Name those that lie behind a name; the slash does not count."""
        runs = ([name for name in run if _without_slash(name) > start_after] for run in self._names(prefix))
        return [sorted(run, key=_without_slash) for run in runs]

    def _holds(self, prefix: str) -> bool:
        """Look for one file; folders alone may be what another program left."""
        try:
            with os.scandir(self._root + prefix) as entries:
                names = (e.name + "/" if e.is_dir() else e.name for e in entries if not e.name.endswith("~"))
                return any(not name.endswith("/") or self._holds(prefix + name) for name in names)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _purge(self, limit: float) -> int:
        purged = 0
        for part in ("uploads", "new"):
            with os.scandir(self._own + part) as entries:
                stale = [e.path for e in entries if e.stat().st_mtime <= limit]
            for path in stale:
                purged += _unlink_if_free(path)
        return purged

    def _lock(self, key: str, mode: int) -> "AbstractContextManager[None]":
        """Keep conditional writes to a key apart from all others, also those of other processes."""
        return locked(f"{self._own}locks/{crc32(key.encode()) % _LOCKS}", mode)


def _keep_private(folder: str) -> None:
    """Close a folder that an earlier version left open to all, who could hold its locks. Raises PermissionError."""
    if os.stat(folder).st_mode & 0o077:
        try:
            os.chmod(folder, _PRIVATE_FOLDER)
        except PermissionError as error:
            message = f"{folder} is another user's and open to others: run as that user, or as root once"
            raise PermissionError(error.errno, message) from error


def _unlink_if_free(path: str) -> bool:
    """Remove a file that nobody holds; tell whether it was an upload or an object that never came into place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(descriptor)
    return not path.endswith(("~", "~new"))


def open_folder(url: str) -> FolderDriver:
    """Open a folder by its path or its ``file:`` URL. Raises OSError if it cannot be made or written to."""
    parts = urlsplit(url)
    return FolderDriver(Path(unquote(parts.path) if parts.scheme else url).absolute())


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: str, most: int) -> bytes:
    """Read a file, or as much of it as tells that it is too large."""
    with open(path, "rb") as file:
        return file.read(most)


def _within(limit: int, data: bytes) -> bytes:
    if len(data) > limit:
        raise TooLarge(f"more than {limit} bytes")
    return data


def _without_slash(name: str) -> str:
    return name.removesuffix("/")


def _check_condition(if_match: str | None, path: str) -> None:
    try:
        etag = describe("", os.stat(path)).etag
    except (FileNotFoundError, NotADirectoryError):
        etag = None
    if if_match is None and etag is not None:
        raise AlreadyExists("there is an object already")
    if if_match is not None and etag != if_match:
        raise PreconditionFailed("the object has changed")
