"""The guard around every driver: it checks keys, and lets only the errors of ``storage.errors`` out."""

import errno
import re
from typing import TYPE_CHECKING, Final, Self

from storage.driver import SupportsExpectation, SupportsLocalPath, SupportsRedirect
from storage.errors import (
    AlreadyExists,
    Busy,
    InvalidKey,
    NotFound,
    StorageError,
    StorageFull,
    StorageUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType

    from storage.driver import Driver, ObjectInfo, Upload

#: 1 to 255 printable characters, neither ``.`` nor ``..``, without ``~`` at the end; see ``storage.driver``.
_COMPONENT: Final = r"(?!\.{1,2}(?:/|\Z))[!-.0-~]{0,254}[!-.0-}]"
_KEY: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_KEY_LIMIT: Final = 1024


class Guard:
    """A driver made safe to use; it is a ``storage.driver.Driver`` itself."""

    def __init__(self, driver: "Driver") -> None:
        self.driver = driver
        self.name = driver.name

    async def stat(self, key: str, /) -> "ObjectInfo":
        """See ``Driver.stat``."""
        with _Boundary(self.name, _checked(key)):
            return await self.driver.stat(key)

    async def get(self, key: str, /, *, limit: int) -> bytes:
        """See ``Driver.get``."""
        with _Boundary(self.name, _checked(key)):
            return await self.driver.get(key, limit=limit)

    async def read(self, key: str, /, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        """See ``Driver.read``."""
        with _Boundary(self.name, _checked(key)):
            async for piece in self.driver.read(key, start, stop):
                yield piece

    async def put(
        self, key: str, data: bytes, /, *, if_match: str | None = None, if_absent: bool = False
    ) -> "ObjectInfo":
        """See ``Driver.put``."""
        with _Boundary(self.name, _checked(key)):
            return await self.driver.put(key, data, if_match=if_match, if_absent=if_absent)

    async def upload(self, key: str, /, *, resume: bool = False) -> "GuardedUpload":
        """See ``Driver.upload``."""
        with _Boundary(self.name, _checked(key)):
            return GuardedUpload(await self.driver.upload(key, resume=resume), self.name, key)

    async def delete(self, key: str, /) -> None:
        """See ``Driver.delete``."""
        with _Boundary(self.name, _checked(key)):
            await self.driver.delete(key)

    async def list(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[ObjectInfo]":
        """See ``Driver.list``."""
        with _Boundary(self.name, _checked_prefix(prefix)):
            async for info in self.driver.list(prefix, start_after=start_after):
                yield info

    async def children(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[str]":
        """See ``Driver.children``."""
        with _Boundary(self.name, _checked_prefix(prefix)):
            async for name in self.driver.children(prefix, start_after=start_after):
                yield name

    async def holds(self, prefix: str, /) -> bool:
        """See ``Driver.holds``."""
        with _Boundary(self.name, _checked_prefix(prefix)):
            return await self.driver.holds(prefix)

    async def purge_uploads(self, *, idle: float) -> int:
        """See ``Driver.purge_uploads``."""
        with _Boundary(self.name, ""):
            return await self.driver.purge_uploads(idle=idle)

    async def aclose(self) -> None:
        """See ``Driver.aclose``."""
        await self.driver.aclose()

    def local_path(self, key: str, /) -> "Path | None":
        """Give the file of an object where the driver has one (``SupportsLocalPath``)."""
        return self.driver.local_path(key) if isinstance(self.driver, SupportsLocalPath) else None

    async def presign(self, key: str, /, *, lifetime: float) -> str | None:
        """Give a URL of an object where the driver has such (``SupportsRedirect``)."""
        if not isinstance(self.driver, SupportsRedirect):
            return None
        with _Boundary(self.name, _checked(key)):
            return await self.driver.presign(key, lifetime=lifetime)


class GuardedUpload:
    """An upload made safe to use; it is a ``storage.driver.Upload`` itself."""

    def __init__(self, upload: "Upload", name: str, key: str) -> None:
        self._upload = upload
        self._boundary = _Boundary(name, key)

    @property
    def offset(self) -> int:
        return self._upload.offset

    @property
    def note(self) -> bytes:
        return self._upload.note

    @note.setter
    def note(self, note: bytes) -> None:
        self._upload.note = note

    def expect(self, size: int, /) -> None:
        """Say how large it is going to be, where the driver wants to know (``SupportsExpectation``)."""
        if isinstance(self._upload, SupportsExpectation):
            with self._boundary:
                self._upload.expect(size)

    async def write(self, data: bytes, /) -> None:
        with self._boundary:
            await self._upload.write(data)

    async def suspend(self) -> None:
        with self._boundary:
            await self._upload.suspend()

    async def rollback(self) -> None:
        with self._boundary:
            await self._upload.rollback()

    async def read(self) -> "AsyncIterator[bytes]":
        with self._boundary:
            async for piece in self._upload.read():
                yield piece

    async def commit(self, key: str, /) -> "ObjectInfo":
        with self._boundary:
            return await self._upload.commit(_checked(key))

    async def abort(self) -> None:
        with self._boundary:
            await self._upload.abort()

    async def __aenter__(self) -> Self:
        await self._upload.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        with self._boundary:
            await self._upload.__aexit__(kind, error, traceback)


class _Boundary:
    """Raises what the contract knows in place of what a driver met; it holds no state, so one serves many calls."""

    __slots__ = ("_driver", "_key")

    def __init__(self, driver: str, key: str) -> None:
        self._driver = driver
        self._key = key

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        if isinstance(error, StorageError):
            error.key = error.key or self._key
            error.driver = error.driver or self._driver
        elif isinstance(error, OSError):
            detail = error.strerror or str(error)
            raise _kind_of(error)(detail, key=self._key, driver=self._driver) from error


def _kind_of(error: OSError) -> type[StorageError]:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return NotFound
    if isinstance(error, FileExistsError):
        return AlreadyExists
    return Busy if isinstance(error, BlockingIOError) else StorageUnavailable


def _checked(key: str) -> str:
    if len(key) > _KEY_LIMIT or _KEY.match(key) is None:
        raise InvalidKey(f"not a storage key: {key[:200]!r}")
    return key


def _checked_prefix(prefix: str) -> str:
    if prefix:
        if not prefix.endswith("/"):
            raise InvalidKey(f"not a prefix of storage keys: {prefix[:200]!r}")
        _checked(prefix[:-1])
    return prefix
