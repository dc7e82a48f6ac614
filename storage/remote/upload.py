"""An upload session in another registry: the bytes go out in one streamed request as they are written."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote, urldefrag, urljoin

from storage.oci import errors
from storage.oci.headers import parse_upload_range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.oci.digest import Digest
    from storage.oci.reference import Name
    from storage.remote.transport import Answer, Transport

#: Pieces that may wait while the network is slower than the writer.
_WAITING: Final = 4


class RemoteUpload:
    """A BlobWriter. Its ``id`` is the session's URL, as the registry gave it."""

    def __init__(self, transport: "Transport", name: "Name", scopes: tuple[str, ...], location: str = "") -> None:
        self.id = location
        self.offset = 0
        self._transport = transport
        self._name = name
        self._scopes = scopes
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        self._request: asyncio.Task[None] | None = None
        self._ended = False

    async def begin(self, session: str | None) -> None:
        """Ask for a session, or for the state of the named one."""
        if session is None:
            async with await self._transport.request(
                "POST", f"{self._name}/blobs/uploads/", scopes=self._scopes, expect=(202,)
            ) as answer:
                self._follow(answer)
            return
        async with await self._transport.request("GET", session, scopes=self._scopes, expect=(204, 404)) as answer:
            if answer.status == 404:
                raise errors.BlobUploadUnknown(f"{self._transport.registry} has no upload session {session}")
            self.id = session
            self._follow(answer)
            self.offset = parse_upload_range(answer.headers.get("Range", "0-0"))

    def expect(self, size: int, /) -> None:
        """Do nothing: the registry is told with the bytes."""

    async def write(self, data: bytes | memoryview, /) -> None:
        """Append. A fault of an earlier piece shows here or at ``commit``."""
        if self._request is None:
            self._request = asyncio.create_task(self._send())
        await self._hand_over(self._request, bytes(data))
        self.offset += len(data)

    async def suspend(self) -> None:
        """Wait until the registry has taken what was written."""
        await self._finish()

    async def rollback(self) -> None:
        """Refuse: a registry offers no way to take bytes back."""
        raise errors.Unsupported("an upload to another registry cannot be rolled back: abort it")

    async def commit(self, digest: "Digest", /) -> None:
        """Make the bytes a blob. Raises DigestInvalid."""
        await self._finish()
        target = f"{self.id}{'&' if '?' in self.id else '?'}digest={quote(digest)}"
        async with await self._transport.request("PUT", target, scopes=self._scopes, expect=(201, 204)):
            self._ended = True

    async def abort(self) -> None:
        """Cancel the session. Idempotent."""
        await self._drop_request()
        if self._ended or not self.id:
            return
        self._ended = True
        # Sessions expire by themselves, so a registry that will not cancel does no harm.
        with suppress(errors.RegistryError):
            async with await self._transport.request("DELETE", self.id, scopes=self._scopes, expect=(200, 202, 204)):
                pass

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the session as it is, to be resumed."""
        await self._drop_request()

    async def _hand_over(self, request: asyncio.Task[None], piece: bytes | None) -> None:
        """Queue a piece, or fail with the request that should take it."""
        put = asyncio.ensure_future(self._pieces.put(piece))
        try:
            await asyncio.wait((put, request), return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()
        if request.done():
            request.result()

    async def _finish(self) -> None:
        if self._request is not None:
            await self._hand_over(self._request, None)
            await self._request
            self._request = None

    async def _drop_request(self) -> None:
        if self._request is not None:
            self._request.cancel()
            with suppress(asyncio.CancelledError, errors.RegistryError):
                await self._request
            self._request = None

    async def _send(self) -> None:
        async with await self._transport.stream("PATCH", self.id, self._waiting(), scopes=self._scopes) as answer:
            self._follow(answer)

    async def _waiting(self) -> "AsyncIterator[bytes]":
        while (piece := await self._pieces.get()) is not None:
            yield piece

    def _follow(self, answer: "Answer") -> None:
        location = answer.headers.get("Location")
        if location:
            self.id = urldefrag(urljoin(answer.url, location)).url
