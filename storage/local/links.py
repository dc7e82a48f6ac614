"""Links: small objects whose content is a digest."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, TypeVar

from storage.errors import NotFound, TooLarge
from storage.oci.digest import Digest
from storage.oci.errors import DigestInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.guard import Guard

T = TypeVar("T")

_LIMIT: Final = 256
_BATCH: Final = 32


async def read_link(store: "Guard", key: str) -> Digest | None:
    """Follow a link. None where there is none, or where a crash of another registry left one that says nothing."""
    try:
        return Digest((await store.get(key, limit=_LIMIT)).decode("ascii").strip())
    except (NotFound, TooLarge, UnicodeDecodeError, DigestInvalid):
        return None


async def write_link(store: "Guard", key: str, digest: Digest) -> None:
    """Make a link, or point it elsewhere."""
    await store.put(key, digest.encode("ascii"))


async def exists(store: "Guard", key: str) -> bool:
    """Tell whether there is an object at a key."""
    try:
        await store.stat(key)
    except NotFound:
        return False
    return True


async def in_batches(items: "AsyncIterator[T] | Iterable[T]") -> "AsyncIterator[list[T]]":
    """Group what comes into lists short enough to ask the store about all of their items at once.

    Others have their turn between two of them: a local store answers without a pause.
    """
    batch: list[T] = []
    async for item in items if isinstance(items, AsyncIterator) else _one_by_one(items):
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
            await asyncio.sleep(0)
    if batch:
        yield batch


async def _one_by_one(items: "Iterable[T]") -> "AsyncIterator[T]":
    for item in items:
        yield item
