"""HTTP/1.1 as a client of registries needs it, over asyncio.

Not aiohttp, which the server has: importing it takes 200 ms, and that is a tenth of the time to fetch a large image.
Here are connections, requests and redirects. What a server answers is read by a library: see ``answer.py``.
"""

import asyncio
import ssl
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast
from urllib.parse import quote, urljoin, urlsplit

from storage.remote.answer import Answer, HttpFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

#: So many bytes are taken from the network at once, and so many may wait to be read before the server has to wait.
_AT_ONCE: Final = 128 * 1024
_BUFFER: Final = 1024 * 1024
_REDIRECTS: Final = 10
#: In seconds: until there is a connection, and until something comes over it or goes.
_CONNECT: Final = 15
_SILENCE: Final = 120
#: Seconds after which the next of a host's addresses is tried beside the first (RFC 8305).
_NEXT_ADDRESS: Final = 0.25
_HEADERS: Final = {"User-Agent": "preg", "Accept": "*/*", "Accept-Encoding": "identity"}
#: What stays as it is in a URL: the characters of RFC 3986, and what is percent-encoded already.
_URL_CHARACTERS: Final = "!$%&'()*+,/:;=?@[]~"

Body = bytes | AsyncIterable[bytes] | None
T = TypeVar("T")


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
        return cls(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))


class _Request(NamedTuple):
    method: str
    url: str
    headers: "Mapping[str, str]"
    body: Body

    @property
    def head(self) -> bytes:
        parts = urlsplit(self.url)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_URL_CHARACTERS)
        lines = {"Host": parts.netloc.rpartition("@")[2], **_HEADERS, **self.headers}
        if isinstance(self.body, AsyncIterable):
            lines["Transfer-Encoding"] = "chunked"
        elif self.body is not None or self.method not in ("GET", "HEAD"):
            lines["Content-Length"] = str(len(self.body or b""))
        head = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
        if any(character in line for line in head for character in "\r\n\0"):
            raise ValueError("a header of the request would have more than one line")
        return "\r\n".join([*head, "", ""]).encode("latin-1", "replace")


class Http:
    """Connections to servers, kept for the next request. Without ``verify`` any certificate is taken."""

    def __init__(self, *, verify: bool) -> None:
        self._verify = verify
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[Origin, list[_Connection]] = {}

    async def request(
        self, method: str, url: str, headers: "Mapping[str, str]", body: Body = None, *, redirects: bool = False
    ) -> "Response":
        """Send a request and give the answer when its head is there; whoever asks must release it.

        Redirects are followed if asked for, without credentials where they lead to somebody else. Raises HttpFault,
        and ValueError if the URL is none.
        """
        for _ in range(_REDIRECTS):
            response = await self._send(_Request(method, url, headers, body))
            location = response.headers.get("Location")
            if not redirects or not location or response.status not in (301, 302, 303, 307, 308):
                return response
            response.release()
            following = urljoin(url, location)
            if Origin.of(following) != Origin.of(url):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = following
        raise HttpFault(f"{url} redirects more than {_REDIRECTS} times", passing=False)

    async def _send(self, request: _Request) -> "Response":
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

    async def _connect(self, origin: Origin) -> "_Connection":
        if origin.scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
            if not self._verify:
                self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE
        tls = self._tls if origin.scheme == "https" else None
        opening = asyncio.get_running_loop().create_connection(
            _Connection, origin.host, origin.port, ssl=tls, happy_eyeballs_delay=_NEXT_ADDRESS
        )
        try:
            return (await _patiently(opening, _CONNECT))[1]
        except HttpFault as fault:
            raise HttpFault(f"{origin.host}:{origin.port}: {fault}", passing=False) from fault

    @staticmethod
    async def _exchange(request: _Request, connection: "_Connection", idle: "list[_Connection]") -> "Response":
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

    def __init__(self, request: _Request, answer: Answer, connection: "_Connection", idle: "list[_Connection]") -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.url = request.url
        self.sent = request.headers
        """The headers of the request."""
        self._answer = answer
        self._connection: _Connection | None = connection
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


class _Connection(asyncio.BufferedProtocol):
    """One request and its answer at a time. Not asyncio's streams, which copy twice more what comes."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = memoryview(bytearray(_AT_ONCE))
        self._answer: Answer | None = None
        self._news = asyncio.Event()
        self._writable = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._writable.set()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's guess
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        answer = self._answer
        if answer is None or answer.complete:
            self.close()  # nobody asked
            return
        answer.feed(self._buffer[:nbytes])
        self._news.set()
        if answer.fault:
            self.close()
        elif answer.waiting > _BUFFER and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(exc)
        self._writable.set()

    def _end(self, error: Exception | None) -> None:
        if self._answer is not None:
            self._answer.end(error)
        self._news.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def resume(self) -> None:
        """Let the server go on, if it had to wait."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        # At once, for there is nothing to say any more: TLS would wait for the server's farewell.
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: _Request) -> Answer:
        """Send a request and read the head of the answer, which may come before all of the request is sent."""
        answer = self._answer = Answer(request.method)
        await self._write(request.head)
        sending, answering = asyncio.create_task(self._send(request.body)), asyncio.create_task(self._head(answer))
        try:
            # If sending fails, the reason may be an answer that says why.
            await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
            await _patiently(answering, _SILENCE)
            return answer
        finally:
            sending.cancel()
            answering.cancel()
            unsent, _ = await asyncio.gather(sending, answering, return_exceptions=True)
            answer.lasting = answer.lasting and not unsent

    async def _send(self, body: Body) -> None:
        if isinstance(body, AsyncIterable):
            async for piece in body:
                if piece:
                    await self._write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await self._write(b"0\r\n\r\n")
        elif body:
            await self._write(body)

    async def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise HttpFault("the server closed the connection too early")
        self._transport.write(data)
        await _patiently(self._writable.wait(), _SILENCE)

    async def _head(self, answer: Answer) -> None:
        while not answer.status:
            await self._more(answer)

    async def receive(self, answer: Answer) -> bytes:
        """Give the next piece of the body, nothing at its end."""
        while not answer.pieces and not answer.complete:
            await _patiently(self._more(answer), _SILENCE)
        piece = answer.take()
        if answer.waiting <= _BUFFER:
            self.resume()
        return piece

    async def _more(self, answer: Answer) -> None:
        if answer.fault:
            raise answer.fault
        self._news.clear()
        await self._news.wait()


async def _patiently(work: "Awaitable[T]", seconds: int | None) -> T:
    """Wait for work with a connection. Raises HttpFault."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise HttpFault(f"nothing was heard for {seconds} seconds") from error
    except OSError as error:
        raise HttpFault(error.strerror or str(error)) from error
