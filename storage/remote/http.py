"""HTTP/1.1 as a client of registries needs it, over asyncio.

Not aiohttp, which the server has: importing it takes 200 ms, and that is a tenth of the time to fetch a large image.
What a server sends is hostile until it is read: its head is bounded, and where a body ends must be clear (RFC 9112).
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast
from urllib.parse import quote, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

#: So many bytes may wait to be read before the server has to wait.
_BUFFER: Final = 1024 * 1024
_HEAD_LIMIT: Final = 64 * 1024
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


class HttpFault(Exception):
    """There is no answer, or not all of it. A ``passing`` fault may be gone at the next try."""

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


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


class Headers:
    """Headers by their names, in any case; there may be several of one name."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self._lines = [(name.lower(), value) for name, value in lines]

    def all(self, name: str) -> list[str]:
        """Give every value."""
        return [value for key, value in self._lines if key == name.lower()]

    def get(self, name: str, default: str = "") -> str:
        """Give the first value."""
        return next(iter(self.all(name)), default)


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
            status, headers = await connection.exchange(request)
            return Response(request, status, headers, connection, idle)
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

    def __init__(
        self, request: _Request, status: int, headers: Headers, connection: "_Connection", idle: "list[_Connection]"
    ) -> None:
        self.status = status
        self.headers = headers
        self.url = request.url
        self.sent = request.headers
        """The headers of the request."""
        self._connection: _Connection | None = connection
        self._idle = idle
        bodiless = request.method == "HEAD" or status in (204, 304)
        self._chunked, self._left = (False, 0) if bodiless else _read_framing(headers)
        self._lasting = self._left is not None and "close" not in headers.get("Connection").lower()

    async def pieces(self) -> "AsyncIterator[bytes]":
        """Give the body as it comes. Raises HttpFault if it breaks off."""
        connection = self._connection
        if connection is None:
            return
        if self._chunked:
            while size := _read_chunk_size(await _patiently(connection.line(), _SILENCE)):
                async for piece in connection.read(size):
                    yield piece
                await _patiently(connection.line(), _SILENCE)
            await _patiently(connection.headers(), _SILENCE)  # late ones, which nobody needs
            self._chunked = False
            return
        async for piece in connection.read(self._left):
            if self._left is not None:
                self._left -= len(piece)
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
        if self._lasting and self._connection.lasting and not self._chunked and self._left == 0:
            self._idle.append(self._connection)
        else:
            self._connection.close()
        self._connection = None


class _Connection(asyncio.Protocol):
    """One request and its answer at a time. Not asyncio's streams, which copy three times what comes."""

    def __init__(self) -> None:
        self.lasting = True
        self._transport: asyncio.Transport | None = None
        self._received: deque[bytes] = deque()
        self._waiting = 0
        """How much has been received, in bytes."""
        self._ended = False
        self._fault: Exception | None = None
        self._news = asyncio.Event()
        self._writable = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._received.append(data)
        self._waiting += len(data)
        self._news.set()
        if self._waiting > _BUFFER and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._ended = True
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._fault = exc
        self._transport = None
        self._news.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close(self) -> None:
        # At once, for there is nothing to say any more: TLS would wait for the server's farewell.
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: _Request) -> tuple[int, Headers]:
        """Send a request and read the head of the answer, which may come before all of the request is sent."""
        body = request.body
        if not isinstance(body, AsyncIterable):
            await self._write(request.head + (body or b""))
            return await _patiently(self._head(), _SILENCE)
        await self._write(request.head)
        sending, answering = asyncio.create_task(self._send(body)), asyncio.create_task(self._head())
        try:
            # If sending fails, the reason may be an answer that says why.
            await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
            return await _patiently(answering, _SILENCE)
        finally:
            self.lasting = self.lasting and sending.done()
            sending.cancel()
            answering.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)

    async def _send(self, body: AsyncIterable[bytes]) -> None:
        async for piece in body:
            if piece:
                await self._write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await self._write(b"0\r\n\r\n")

    async def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise self._closed()
        self._transport.write(data)
        await _patiently(self._writable.wait(), _SILENCE)

    async def _head(self) -> tuple[int, Headers]:
        while True:
            version, _, rest = (await self.line()).partition(b" ")
            self.lasting = self.lasting and version != b"HTTP/1.0"
            status, headers = rest[:3], await self.headers()
            if not version.startswith(b"HTTP/1.") or not status.isdigit():
                raise HttpFault("the server does not speak HTTP", passing=False)
            if not status.startswith(b"1"):
                return int(status), headers

    async def headers(self) -> Headers:
        lines: list[tuple[str, str]] = []
        size = 0
        while line := await self.line():
            size += len(line)
            name, colon, value = line.decode("latin-1").partition(":")
            if size > _HEAD_LIMIT or not colon or not name.strip():
                raise HttpFault("the server sent headers that make no sense", passing=False)
            lines.append((name.strip(), value.strip()))
        return Headers(lines)

    async def line(self) -> bytes:
        line, end = b"", b""
        while not end:
            if not (piece := await self._take()):
                raise self._closed()
            start, end, rest = piece.partition(b"\n")
            line += start
            self._give_back(rest)
            if len(line) > _HEAD_LIMIT:
                raise HttpFault("the server sent a line without an end", passing=False)
        return line.rstrip(b"\r")

    async def read(self, size: int | None) -> "AsyncIterator[bytes]":
        """Give so many bytes as they come, or without a size all until the server closes."""
        while size != 0:
            piece = await _patiently(self._take(), _SILENCE)
            if not piece:
                if size is None and self._fault is None:
                    return
                raise self._closed()
            if size is not None:
                self._give_back(piece[size:])
                piece = piece[:size]
                size -= len(piece)
            yield piece

    async def _take(self) -> bytes:
        """Wait for what comes next; nothing at the end."""
        while not self._received and not self._ended:
            self._news.clear()
            await self._news.wait()
        if not self._received:
            return b""
        piece = self._received.popleft()
        self._waiting -= len(piece)
        if self._waiting <= _BUFFER and self._transport is not None:
            self._transport.resume_reading()
        return piece

    def _give_back(self, rest: bytes) -> None:
        if rest:
            self._received.appendleft(rest)
            self._waiting += len(rest)

    def _closed(self) -> HttpFault:
        return HttpFault(str(self._fault or "the server closed the connection too early"))


def _read_framing(headers: Headers) -> tuple[bool, int | None]:
    """Tell whether a body comes in chunks, and if not how long it is; None if until the end of the connection."""
    codings, lengths = headers.all("Transfer-Encoding"), set(headers.all("Content-Length"))
    if codings:
        if [coding.lower() for coding in codings] != ["chunked"]:
            raise HttpFault(f"the server sent a body coded as {', '.join(codings)}", passing=False)
        return True, 0
    if not lengths:
        return False, None
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit() and len(length) < 20):
        raise HttpFault("the server does not tell how long its answer is", passing=False)
    return False, int(length)


def _read_chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise HttpFault("the server sent a chunk without its size", passing=False)
    return int(digits, 16)


async def _patiently(work: "Awaitable[T]", seconds: int | None) -> T:
    """Wait for work with a connection. Raises HttpFault."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise HttpFault(f"nothing was heard for {seconds} seconds") from error
    except OSError as error:
        raise HttpFault(error.strerror or str(error)) from error
