"""Objects in this process's memory: the contract's plainest reading, for tests. Nothing survives the process."""

import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, Self

from storage.driver import ObjectInfo
from storage.errors import AlreadyExists, Busy, NotFound, PreconditionFailed, TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PIECE: Final = 1024 * 1024


class _Session:
    """A suspended upload."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.note = b""
        self.held = False
        self.touched = time.monotonic()


class MemoryDriver:
    """A ``storage.driver.Driver`` over two dictionaries."""

    name = "memory"

    def __init__(self) -> None:
        self._objects: dict[str, tuple[ObjectInfo, bytes]] = {}
        self._sessions: dict[str, _Session] = {}
        self._writes = 0

    async def stat(self, key: str, /) -> ObjectInfo:
        return self._find(key)[0]

    async def get(self, key: str, /, *, limit: int) -> bytes:
        data = self._find(key)[1]
        if len(data) > limit:
            raise TooLarge(f"{len(data)} bytes, more than {limit}")
        return data

    async def read(self, key: str, /, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        data = self._find(key)[1][start:stop]
        for position in range(0, len(data), _PIECE):
            yield data[position : position + _PIECE]

    async def put(
        self, key: str, data: bytes, /, *, if_match: str | None = None, if_absent: bool = False
    ) -> ObjectInfo:
        present = self._objects.get(key)
        if if_absent and present is not None:
            raise AlreadyExists("there is an object already")
        if if_match is not None and (present is None or present[0].etag != if_match):
            raise PreconditionFailed("the object has changed")
        return self.publish(key, data)

    async def upload(self, key: str, /, *, resume: bool = False) -> "MemoryUpload":
        session = self._sessions.get(key)
        if session is None:
            if resume:
                raise NotFound("no such upload")
            session = self._sessions[key] = _Session()
        if session.held:
            raise Busy("the upload is being written to")
        if not resume:
            session.data.clear()
            session.note = b""
        session.held = True
        return MemoryUpload(self, key, session)

    async def delete(self, key: str, /) -> None:
        self._objects.pop(key, None)

    async def list(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[ObjectInfo]":
        keys = sorted(self._objects)
        for key in keys[bisect_right(keys, start_after) :]:
            if key.startswith(prefix) and key in self._objects:
                yield self._objects[key][0]

    async def children(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[str]":
        names = set()
        for key in self._objects:
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition("/")
                names.add(name + slash)
        for name in sorted(names, key=lambda name: name.removesuffix("/")):
            if name.removesuffix("/") > start_after:
                yield name

    async def holds(self, prefix: str, /) -> bool:
        return any(key.startswith(prefix) for key in self._objects)

    async def purge_uploads(self, *, idle: float) -> int:
        limit = time.monotonic() - idle
        stale = [key for key, session in self._sessions.items() if not session.held and session.touched <= limit]
        for key in stale:
            self.forget(key)
        return len(stale)

    async def aclose(self) -> None:
        self._objects.clear()
        self._sessions.clear()

    def publish(self, key: str, data: bytes) -> ObjectInfo:
        """Put an object in place, whatever is there."""
        self._writes += 1
        info = ObjectInfo(key, len(data), time.time(), str(self._writes))
        self._objects[key] = (info, data)
        return info

    def forget(self, key: str) -> None:
        """Drop an upload session."""
        self._sessions.pop(key, None)

    def _find(self, key: str) -> tuple[ObjectInfo, bytes]:
        try:
            return self._objects[key]
        except KeyError:
            raise NotFound("no such object") from None


class MemoryUpload:
    """A ``storage.driver.Upload`` over a bytearray."""

    def __init__(self, driver: MemoryDriver, key: str, session: _Session) -> None:
        self._driver = driver
        self._key = key
        self._session = session
        self._opened_at = len(session.data)
        self.note = session.note

    @property
    def offset(self) -> int:
        return len(self._session.data)

    async def write(self, data: bytes, /) -> None:
        self._session.data += data

    async def suspend(self) -> None:
        pass

    async def rollback(self) -> None:
        del self._session.data[self._opened_at :]
        self.note = self._session.note

    async def read(self) -> "AsyncIterator[bytes]":
        data = bytes(self._session.data)
        for position in range(0, len(data), _PIECE):
            yield data[position : position + _PIECE]

    async def commit(self, key: str, /) -> ObjectInfo:
        info = self._driver.publish(key, bytes(self._session.data))
        await self.abort()
        return info

    async def abort(self) -> None:
        self._driver.forget(self._key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._session.note = self.note
        self._session.held = False
        self._session.touched = time.monotonic()
