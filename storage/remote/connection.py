"""A connection to a server, over which one request after the other is sent, and its answer read."""

import asyncio
import ssl
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast
from urllib.parse import quote, urlsplit

from storage.remote.answer import Answer, HttpFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from storage.remote.proxies import Proxy

#: So many bytes are taken from the network at once, and so many may wait to be read before the server has to wait.
_AT_ONCE: Final = 128 * 1024
_BUFFER: Final = 1024 * 1024
#: Seconds until something comes over a connection, or goes.
_SILENCE: Final = 120
_HEADERS: Final = {"User-Agent": "preg", "Accept": "*/*", "Accept-Encoding": "identity"}
#: What stays as it is in a URL: the characters of RFC 3986, and what is percent-encoded already.
_URL_CHARACTERS: Final = "!$%&'()*+,/:;=?@[]~"

Body = bytes | AsyncIterable[bytes] | None
T = TypeVar("T")


class Request(NamedTuple):
    """What is asked of a server."""

    method: str
    url: str
    headers: "Mapping[str, str]"
    body: Body
    target: str = ""
    """What is asked for, if that is not what the URL says behind the host."""

    def through(self, proxy: "Proxy | None") -> "Request":
        """Give it as a proxy takes it that passes it on (RFC 9112, section 3.2.2)."""
        if proxy is None:
            return self
        shown = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        parts = urlsplit(self.url)
        target = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_target(self.url)}"
        return self._replace(headers={**self.headers, **shown}, target=target)

    @property
    def head(self) -> bytes:
        """All of it but the body, as it is sent. Raises ValueError for a header that is none."""
        target = self.target or _target(self.url)
        lines = {"Host": urlsplit(self.url).netloc.rpartition("@")[2], **_HEADERS, **self.headers}
        if isinstance(self.body, AsyncIterable):
            lines["Transfer-Encoding"] = "chunked"
        elif self.body is not None or self.method not in ("GET", "HEAD", "CONNECT"):
            lines["Content-Length"] = str(len(self.body or b""))
        head = [f"{self.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
        if any(character in line for line in head for character in "\r\n\0"):
            raise ValueError("a header of the request would have more than one line")
        return "\r\n".join([*head, "", ""]).encode("latin-1", "replace")


class Connection(asyncio.BufferedProtocol):
    """One request and its answer at a time. Not asyncio's streams, which copy twice more what comes."""

    def __init__(self) -> None:
        self.proxy: Proxy | None = None
        """What passes our requests on to the server, if it is at the other end."""
        self._transport: asyncio.Transport | None = None
        self._lost: Exception | None = None
        self._explain_tls: Callable[[ssl.SSLError], HttpFault] | None = None
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

    async def start_tls(
        self, context: ssl.SSLContext, host: str, explain: "Callable[[ssl.SSLError], HttpFault]"
    ) -> None:
        """Speak TLS from now on; ``explain`` says what a fault means that comes later. Raises OSError."""
        if self._transport is None:
            raise ConnectionResetError
        loop = asyncio.get_running_loop()
        self._explain_tls = explain
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname=host)

    def forget(self) -> None:
        """Be done with the answer that was read last, which has no body."""
        self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost = exc
        self._end(exc)
        self._writable.set()

    def _end(self, error: Exception | None) -> None:
        if self._answer is not None:
            self._answer.end(self._explain(error))
        self._news.set()

    def _explain(self, error: Exception | None) -> HttpFault | None:
        """Say why the connection was lost."""
        if error is None:
            return None
        # TLS 1.3 tells only after its beginning that a server wants another certificate of ours.
        if isinstance(error, ssl.SSLError) and self._explain_tls is not None and "ALERT" in (error.reason or ""):
            return self._explain_tls(error)
        return HttpFault((error.strerror if isinstance(error, OSError) else "") or str(error))

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

    async def exchange(self, request: Request) -> Answer:
        """Send a request and read the head of the answer, which may come before all of the request is sent."""
        answer = self._answer = Answer(request.method)
        await self._write(request.head)
        sending, answering = asyncio.create_task(self._send(request.body)), asyncio.create_task(self._head(answer))
        try:
            # If sending fails, the reason may be an answer that says why.
            await asyncio.wait((sending, answering), return_when=asyncio.FIRST_COMPLETED)
            await patiently(answering, _SILENCE)
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
            raise self._explain(self._lost) or HttpFault("the server closed the connection too early")
        self._transport.write(data)
        await patiently(self._writable.wait(), _SILENCE)

    async def _head(self, answer: Answer) -> None:
        while not answer.status:
            await self._more(answer)

    async def receive(self, answer: Answer) -> bytes:
        """Give the next piece of the body, nothing at its end."""
        while not answer.pieces and not answer.complete:
            await patiently(self._more(answer), _SILENCE)
        piece = answer.take()
        if answer.waiting <= _BUFFER:
            self.resume()
        return piece

    async def _more(self, answer: Answer) -> None:
        if answer.fault:
            raise answer.fault
        self._news.clear()
        await self._news.wait()


def _target(url: str) -> str:
    parts = urlsplit(url)
    return quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_URL_CHARACTERS)


async def patiently(work: "Awaitable[T]", seconds: int | None) -> T:
    """Wait for work with a connection. Raises HttpFault."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise HttpFault(f"it has not answered for {seconds} seconds") from error
    except OSError as error:
        raise HttpFault(error.strerror or str(error)) from error
