"""HTTP/1.1 as a client of registries needs it, over asyncio.

Not aiohttp, which the server has: importing it takes 200 ms, and that is a tenth of the time to fetch a large image.
Here are servers, redirects and answers; ``connection.py`` has what goes over a connection, and what a server answers is
read by a library: see ``answer.py``.
"""

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from storage.remote.answer import Answer, HttpFault
from storage.remote.connection import Body, Connection, Request
from storage.remote.connector import Connector, Origin, refusal, wants_login

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_REDIRECTS: Final = 10
#: The headers that go where a redirect leads to another server: none that can hold a secret.
_HARMLESS: Final = frozenset({"Accept", "Range"})


class Http:
    """Connections to servers, kept for the next request."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._idle: dict[Origin, list[Connection]] = {}

    async def request(
        self, method: str, url: str, headers: "Mapping[str, str]", body: Body = None, *, redirects: bool = False
    ) -> "Response":
        """Send a request and give the answer when its head is there; whoever asks must release it.

        Redirects are followed if asked for, without credentials where they lead to somebody else. Raises HttpFault,
        RegistryError, and ValueError if the URL is none.
        """
        for _ in range(_REDIRECTS):
            response = await self._send(Request(method, url, headers, body))
            location = response.headers.get("Location")
            if not redirects or not location or response.status not in (301, 302, 303, 307, 308):
                return response
            response.release()
            following = urljoin(url, location)
            if Origin.of(following) != Origin.of(url):
                headers = {name: value for name, value in headers.items() if name in _HARMLESS}
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
        return await self._exchange(request, await self._connector.connect(origin), idle)

    async def open(self, url: str) -> None:
        """Connect to a server that may not speak TLS; the next request to it finds the connection. Raises HttpFault."""
        origin = Origin.of(url)
        self._idle.setdefault(origin, []).append(await self._connector.connect(origin, unsure=True))

    @staticmethod
    async def _exchange(request: Request, connection: Connection, idle: list[Connection]) -> "Response":
        try:
            answer = await connection.exchange(request.through(connection.proxy))
            challenged = bool(answer.headers.all("WWW-Authenticate"))
            if connection.proxy is not None and wants_login(answer.status, challenged=challenged):
                raise refusal(connection.proxy, answer.status, Origin.of(request.url).address)
            return Response(request, answer, connection, idle)
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
        self.proxy = connection.proxy
        """What passed the request on, if something did."""
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
