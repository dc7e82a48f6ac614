"""HTTP/1.1 byte by byte: a client library would mend, or refuse to send, half of what a fuzz is about."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from storage.oci import wire
from tests.parts.process import PATIENCE

# What a server that waits for the rest of a request is given to say something all the same.
GRACE = 0.05

CODES = {row.code for row in (*wire.ROWS.values(), wire.INTERNAL)}
# A client may take the first or the last of two.
SINGLE = ("content-length", "content-type", "location", "range", "content-range", "docker-content-digest", "etag")


@dataclass
class Request:
    """What is sent, as it is sent; `cut` marks one whose end the server may wait for in vain."""

    method: str
    target: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytes = b""
    chunked: bool = False
    cut: bool = False

    def encode(self) -> bytes:
        lines = [self.method.encode("latin-1") + b" " + self.target + b" HTTP/1.1"]
        lines += [name.encode("latin-1") + b": " + value for name, value in self.headers]
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
            half = len(self.body) // 2
            body = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (self.body[:half], self.body[half:]) if c)
            body += b"0\r\n\r\n"
        else:
            body = self.body
            if body or self.method in ("POST", "PUT", "PATCH"):
                lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + body


@dataclass
class Response:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    version: str

    @property
    def closes(self) -> bool:
        return self.version != "HTTP/1.1" or self.header("connection").lower() == "close"

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection after another to the same server."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: Request) -> Response:
        """Send a whole request, and read its whole response."""
        reader, writer = await self._open()
        writer.write(request.encode())
        async with asyncio.timeout(PATIENCE):
            response = await read_response(reader, request.method)
        if response is None:
            raise AssertionError("the connection was closed without an answer")
        if response.closes or request.method == "CONNECT":
            await self.close()
        return response

    async def throw(self, data: bytes) -> list[Response]:
        """Send bytes, then nothing more; what was answered before the connection closed."""
        await self.close()
        reader, writer = await self._open()
        try:
            async with asyncio.timeout(PATIENCE):
                return await _throw(reader, writer, data)
        finally:
            await self.close()

    async def close(self) -> None:
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            writer.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=1 << 20)
        return self._streams


async def _throw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> list[Response]:
    method = data.partition(b" ")[0].decode("latin-1")
    writer.write(data)
    reading = asyncio.ensure_future(read_response(reader, method))
    await asyncio.wait([reading], timeout=GRACE)
    if writer.can_write_eof() and not writer.is_closing():
        # The kernel may know already, and we not yet, that the server has hung up.
        with contextlib.suppress(OSError):
            writer.write_eof()
    answers = []
    try:
        while (response := await reading) is not None:
            answers.append(response)
            # Only the first was for a method that is known.
            reading = asyncio.ensure_future(read_response(reader, "GET"))
    except (ConnectionError, asyncio.IncompleteReadError):
        # The server has hung up on what it did not want to read to the end, as it may.
        pass
    return answers


async def read_response(reader: asyncio.StreamReader, method: str) -> Response | None:
    """Read a final response; None where the connection ends instead."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as end:
            if end.partial:
                raise
            return None
        status_line, *lines = head[:-4].decode("latin-1").split("\r\n")
        version, status, *_ = status_line.split(" ", 2)
        # aiohttp answers in the version it was asked in, be it one of 1991.
        assert version in ("HTTP/1.1", "HTTP/1.0", "HTTP/0.9"), status_line
        if status != "100":
            break
    pairs = [line.partition(": ") for line in lines]
    response = Response(int(status), [(key.lower(), value) for key, _, value in pairs], b"", version)
    assert not response.all("transfer-encoding"), "every answer has a length"
    # What could not be parsed is answered as no HEAD, whatever it began with.
    if (method != "HEAD" or version != "HTTP/1.1") and response.status not in (204, 304):
        response.body = await reader.readexactly(int(response.header("content-length")))
    return response


def judge(request: Request, response: Response) -> None:
    """Hold a response to what protocol and specification ask of any; AssertionError says what is wrong."""
    status = response.status
    assert 200 <= status < 500
    assert response.all("docker-distribution-api-version") == ["registry/2.0"]
    assert all(len(response.all(name)) <= 1 for name in SINGLE)
    assert not response.all("content-encoding")
    if status < 400:
        _judge_success(request, response)
    elif request.method != "HEAD":
        judge_error(response)
    if status == 405:
        assert response.header("allow")
    if status == 416:
        assert response.header("range") or response.header("content-range").startswith("bytes */")


def judge_error(response: Response) -> None:
    assert response.header("content-type") == "application/json"
    errors = response.json()["errors"]
    assert errors
    for error in errors:
        assert error["code"] in CODES
        assert error["message"]


def _judge_success(request: Request, response: Response) -> None:
    match response.status:
        case 201:
            assert response.header("location").startswith("/v2/")
            assert response.header("docker-content-digest")
        case 202 if request.method in ("POST", "PATCH"):
            assert response.header("location").startswith("/v2/")
            assert response.header("range").startswith("0-")
        case 206 if response.header("content-type").startswith("multipart/byteranges; boundary="):
            assert not response.header("content-range")
        case 206:
            assert response.header("content-range").startswith("bytes ")
        case status:
            assert status in (200, 202, 204, 304)
