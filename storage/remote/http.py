"""HTTP/1.1 as a client of registries needs it, over asyncio.

Not aiohttp, which the server has: importing it takes 200 ms, and that is a tenth of the time to fetch a large image.
Here are servers, redirects and answers; ``connection.py`` has what goes over a connection, and what a server answers is
read by a library: see ``answer.py``.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from storage.remote.answer import Answer, HttpFault
from storage.remote.connection import Body, Connection, Request, patiently

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_REDIRECTS: Final = 10
#: Seconds until there is a connection.
_CONNECT: Final = 15
#: Seconds after which the next of a host's addresses is tried beside the first (RFC 8305).
_NEXT_ADDRESS: Final = 0.25


class Origin(NamedTuple):
    """Who serves a URL: credentials are for one of these."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Give who serves a URL. Raises ValueError if it is none of HTTP."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL of HTTP")
        default = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, parts.hostname, default if parts.port is None else parts.port)


class Http:
    """Connections to servers, kept for the next request. Without ``verify`` any certificate is taken."""

    def __init__(self, *, verify: bool) -> None:
        self._verify = verify
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[Origin, list[Connection]] = {}

    async def request(
        self, method: str, url: str, headers: "Mapping[str, str]", body: Body = None, *, redirects: bool = False
    ) -> "Response":
        """Send a request and give the answer when its head is there; whoever asks must release it.

        Redirects are followed if asked for, without credentials where they lead to somebody else. Raises HttpFault,
        and ValueError if the URL is none.
        """
        for _ in range(_REDIRECTS):
            response = await self._send(Request(method, url, headers, body))
            location = response.headers.get("Location")
            if not redirects or not location or response.status not in (301, 302, 303, 307, 308):
                return response
            response.release()
            following = urljoin(url, location)
            if Origin.of(following) != Origin.of(url):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = following
        raise HttpFault(f"{url} redirects more than {_REDIRECTS} times", passing=False)

    async def _send(self, request: Request) -> "Response":
        origin = Origin.of(request.url)
        idle = self._idle.setdefault(origin, [])
        # What can be sent once only does not go over a connection that the server may have closed.
        while idle and not isinstance(request.body, AsyncIterable):
            try:
                return await self._exchange(request, idle.pop(), idle)
            except HttpFault as fault:
                if not fault.passing:
                    raise
        return await self._exchange(request, await self._connect(origin), idle)

    async def _connect(self, origin: Origin) -> Connection:
        if origin.scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
            if not self._verify:
                self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
        tls = self._tls if origin.scheme == "https" else None
        opening = asyncio.get_running_loop().create_connection(
            Connection, origin.host, origin.port, ssl=tls, happy_eyeballs_delay=_NEXT_ADDRESS
        )
        try:
            return (await patiently(opening, _CONNECT))[1]
        except HttpFault as fault:
            raise HttpFault(f"{origin.host}:{origin.port}: {fault}", passing=False) from fault

    @staticmethod
    async def _exchange(request: Request, connection: Connection, idle: list[Connection]) -> "Response":
        try:
            return Response(request, await connection.exchange(request), connection, idle)
        except BaseException:
            connection.close()
            raise

    async def aclose(self) -> None:
        """Close the connections."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
        await asyncio.sleep(0)  # in which the event loop lets go of them


class Response:
    """An answer, whose body is still to be read; released, its connection serves the next request or is closed."""

    def __init__(self, request: Request, answer: Answer, connection: Connection, idle: list[Connection]) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.url = request.url
        self.sent = request.headers
        """The headers of the request."""
        self._answer = answer
        self._connection: Connection | None = connection
        self._idle = idle

    async def pieces(self) -> "AsyncIterator[bytes]":
        """Give the body as it comes. Raises HttpFault if it breaks off."""
        while self._connection is not None and (piece := await self._connection.receive(self._answer)):
            yield piece

    async def read(self, limit: int) -> bytes:
        """Read the body, but for what goes beyond so many bytes. Raises HttpFault if it breaks off."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > limit:
                break
        return bytes(found[:limit])

    def release(self) -> None:
        """Be done with it. Idempotent."""
        if self._connection is None:
            return
        if self._answer.complete and self._answer.lasting:
            self._connection.resume()
            self._idle.append(self._connection)
        else:
            self._connection.close()
        self._connection = None
