"""Uploads of the folder driver."""

import asyncio
import contextlib
import fcntl
import os
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from storage.drivers.files import describe, write_all
from storage.errors import Busy, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.driver import ObjectInfo
    from storage.drivers.folder import FolderDriver

#: How much is gathered before a thread writes it.
_PIECE: Final = 1024 * 1024
#: How many bytes of the note's file say how long the upload is.
_LENGTH: Final = 8


class FolderUpload:
    """A ``storage.driver.Upload`` over one file, held by an ``flock`` on it.

    Pieces are gathered and written by a thread while the next ones arrive. Beside the file lies the note, together with
    the length the file had when it was suspended: what a killed process wrote behind that was answered to nobody.
    """

    def __init__(self, driver: "FolderDriver", path: str, resume: bool) -> None:
        self._driver = driver
        self._path = path
        self._file = _open_upload(path, resume, driver.mode)
        length, self.note = _read_note(path)
        self._opened_note = self.note
        self._opened_at = self._written = length
        #: What the note's file says.
        self._kept = (length, self.note)
        self._file.truncate(length)
        self._gathered: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Future[None] | None = None

    @property
    def offset(self) -> int:
        return self._written + self._size

    async def write(self, data: bytes, /) -> None:
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= _PIECE:
            await self._hand_over()

    async def suspend(self) -> None:
        await self._flush()
        await self._driver.run(self._keep)

    async def rollback(self) -> None:
        if self._file.closed:
            return
        self._gathered, self._size = [], 0
        with contextlib.suppress(OSError):
            # What failed to be written is about to be cut off anyway.
            await self._settle()
        self._written = self._opened_at
        self.note = self._opened_note
        await self._driver.run(self._rewind)

    async def read(self) -> "AsyncIterator[bytes]":
        await self._flush()
        async for piece in self._driver.read_file(self._path, 0, None):
            yield piece

    async def commit(self, key: str, /) -> "ObjectInfo":
        await self._flush()
        return await self._driver.run(self._commit, key)

    async def abort(self) -> None:
        if not self._file.closed:
            with contextlib.suppress(OSError):
                # What failed to be written is about to be removed anyway.
                await self._settle()
            await self._driver.run(self._remove)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._file.closed:
            try:
                await self._flush()
            except OSError:
                # As when the note cannot be written: a disk that is full gets everything back.
                await self.abort()
                raise
            finally:
                if not self._file.closed:
                    await self._driver.run(self._suspend)

    async def _flush(self) -> None:
        await self._hand_over()
        await self._settle()

    async def _hand_over(self) -> None:
        """Let a thread write what is gathered, once it has written what it was given before."""
        await self._settle()
        if self._gathered:
            pieces, self._gathered, position = self._gathered, [], self._written
            self._written, self._size = self._written + self._size, 0
            self._writing = asyncio.ensure_future(self._driver.run(write_all, self._file.fileno(), pieces, position))

    async def _settle(self) -> None:
        """Wait until the thread has written. If it could not, the upload is as it was opened: no hole is resumed."""
        if self._writing is not None:
            # Not awaited itself: a cancelled task must not close the file under the thread.
            await asyncio.wait([self._writing])
            writing, self._writing = self._writing, None
            try:
                writing.result()
            except OSError:
                await self.rollback()
                raise

    def _commit(self, key: str) -> "ObjectInfo":
        try:
            os.fsync(self._file.fileno())
        except OSError:
            # The kernel forgets what it could not write and says so only once: nothing of it is to be resumed.
            self._remove()
            raise
        self._driver.publish(self._path, key)
        info = describe(key, os.fstat(self._file.fileno()))
        self._remove()
        return info

    def _remove(self) -> None:
        for path in (self._path, self._path + "~", self._path + "~new"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self._file.close()

    def _rewind(self) -> None:
        # The note may speak of no byte that is cut off.
        self._keep()
        os.ftruncate(self._file.fileno(), self._opened_at)

    def _keep(self) -> None:
        if (self._written, self.note) != self._kept:
            # Nor of one that a loss of power could take away.
            os.fdatasync(self._file.fileno())
            with open(self._path + "~new", "wb", opener=partial(os.open, mode=self._driver.mode)) as file:
                file.write(self._written.to_bytes(_LENGTH) + self.note)
            os.replace(self._path + "~new", self._path + "~")
            self._kept = (self._written, self.note)

    def _suspend(self) -> None:
        try:
            self._keep()
        except OSError:
            self._remove()
            raise
        finally:
            self._file.close()


def _open_upload(path: str, resume: bool, mode: int) -> FileIO:
    """Open and hold an upload's file; a new one is empty."""
    flags = os.O_RDWR | os.O_CLOEXEC | (0 if resume else os.O_CREAT)
    file = FileIO(os.open(path, flags, mode), "r+")
    try:
        _hold(file, path)
        if not resume:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + "~")
    except BaseException:
        file.close()
        raise
    return file


def _hold(file: FileIO, path: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy("the upload is being written to") from None
    if os.fstat(file.fileno()).st_nlink == 0 or not os.path.exists(path):
        raise NotFound("the upload is finished")


def _read_note(path: str) -> tuple[int, bytes]:
    """Read how long a suspended upload is, and its note. A loss of power may have taken both, or some of the bytes."""
    try:
        raw = Path(path + "~").read_bytes()
        length = int.from_bytes(raw[:_LENGTH])
        if len(raw) >= _LENGTH and os.stat(path).st_size >= length:
            return length, raw[_LENGTH:]
    except FileNotFoundError:
        pass
    return 0, b""
