"""What authentication keeps, shared by all processes that serve one store."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class State(Protocol):
    """Small secret documents by key, such as ``signing/2026-11``; the composition root puts them in the storage.

    Whatever a method acknowledges by returning is durable and seen by every process. Only this registry's own user can
    read what lies in a folder. All methods raise AuthUnavailable when the store cannot be reached.
    """

    async def get(self, key: str, /) -> bytes | None:
        """Read a document, None where there is none."""

    async def put(self, key: str, data: bytes, /) -> None:
        """Write a document, replacing what is there."""

    async def create(self, key: str, data: bytes, /) -> bool:
        """Write a document where there is none; false, and nothing is done, where there is one."""

    async def delete(self, key: str, /) -> None:
        """Remove a document; it is no fault if it is not there."""

    def names(self, prefix: str, /) -> "AsyncIterator[str]":
        """Name what lies directly below a prefix that ends with ``/``, in order, without the prefix."""
