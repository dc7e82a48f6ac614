"""What authentication keeps, on the storage that is served.

It lies below ``preg/auth/``, out of ``registry:2``'s sight. In a folder nobody but the owner can read it; in a bucket
whoever may read the bucket can.
"""

import contextlib
from typing import TYPE_CHECKING, Final

from auth.errors import AuthUnavailable
from storage.drivers.folder import FolderDriver
from storage.errors import AlreadyExists, NotFound, StorageError
from storage.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_PREFIX: Final = "preg/auth/"
_PRIVATE: Final = 0o600
#: No document is nearly as large.
_LIMIT: Final = 256 * 1024


class StoredState:
    """An ``auth.state.State`` as objects below a prefix of a store."""

    def __init__(self, store: Guard, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def get(self, key: str, /) -> bytes | None:
        """See ``State.get``."""
        with _reaching():
            try:
                return await self._store.get(self._prefix + key, limit=_LIMIT)
            except NotFound:
                return None

    async def put(self, key: str, data: bytes, /) -> None:
        """See ``State.put``."""
        with _reaching():
            await self._store.put(self._prefix + key, data)

    async def create(self, key: str, data: bytes, /) -> bool:
        """See ``State.create``."""
        with _reaching():
            try:
                await self._store.put(self._prefix + key, data, if_absent=True)
            except AlreadyExists:
                return False
            return True

    async def delete(self, key: str, /) -> None:
        """See ``State.delete``."""
        with _reaching():
            await self._store.delete(self._prefix + key)

    async def names(self, prefix: str, /) -> "AsyncIterator[str]":
        """See ``State.names``."""
        with _reaching():
            async for name in self._store.children(self._prefix + prefix):
                if not name.endswith("/"):
                    yield name

    async def aclose(self) -> None:
        """Let go of the store's threads and connections."""
        await self._store.aclose()


def open_state(store: Guard) -> StoredState:
    """Keep the state in a store. Raises StorageError where its folder cannot be made."""
    if not isinstance(store.driver, FolderDriver):
        return StoredState(store, _PREFIX)
    folder = store.driver.local_path(_PREFIX)
    try:
        return StoredState(Guard(FolderDriver(folder, mode=_PRIVATE)), "")
    except OSError as error:
        raise StorageError(f"{folder} cannot be used: {error.strerror or error}") from error


@contextlib.contextmanager
def _reaching() -> "Iterator[None]":
    """Let out what ``State`` knows."""
    try:
        yield
    except StorageError as error:
        raise AuthUnavailable(f"what authentication keeps cannot be reached: {error}") from error
