"""A client that says exactly what a test tells it to, and shows exactly what came back."""

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from storage.oci import media
from storage.oci.digest import Digest

CONFIG = b"{}"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """A response, its body as it was sent."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def digest(self) -> str:
        return self.headers["Docker-Content-Digest"]

    def refused(self, status: int, code: str) -> Any:
        """Check that this is an error as the specification asks for it (protocol H68); give its detail."""
        assert (self.status, self.headers["Content-Type"]) == (status, "application/json"), self
        body = self.json()
        assert list(body) == ["errors"]
        (error,) = body["errors"]
        assert error["code"] == code, self
        assert re.fullmatch("[A-Z_]+", code)
        assert error["message"]
        assert set(error) <= {"code", "message", "detail"}
        return error.get("detail")


@dataclass(frozen=True)
class Client:
    """HTTP to one server; every answer is checked for what all answers have in common."""

    port: int
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, headers: Headers = ()) -> Answer:
        """Send a request; its path and query go as they are. A list is sent in chunks, one for each item."""
        data = _in_chunks(body) if isinstance(body, list) else io.BytesIO(body) if body else body
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        skip = ["Content-Type", "Accept", "Accept-Encoding"]
        async with self.session.request(
            method, url, data=data, headers=CIMultiDict(headers), skip_auto_headers=skip, allow_redirects=False
        ) as response:
            answer = Answer(response.status, response.headers, await response.read())
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
        assert re.fullmatch("[A-Za-z0-9._-]{1,64}", answer.headers["X-Request-ID"])
        for single in ("Location", "Range", "Content-Range", "Content-Type", "Content-Length", "X-Request-ID"):
            assert len(answer.headers.getall(single, [])) <= 1, single
        assert "Content-Encoding" not in answer.headers
        assert answer.status < 500 or answer.status in (503, 507), answer
        return answer

    async def open_upload(self, name: str) -> str:
        """Begin an upload session; its Location."""
        answer = await self.ask("POST", f"/v2/{name}/blobs/uploads/")
        assert answer.status == 202, answer
        return answer.headers["Location"]

    async def held(self, location: str) -> str:
        """What an upload session says it holds."""
        answer = await self.ask("GET", location)
        assert (answer.status, answer.body) == (204, b""), answer
        return answer.headers["Range"]

    async def push_blob(self, name: str, content: bytes, algorithm: str = "sha256") -> Digest:
        digest = Digest.of(content, algorithm)
        answer = await self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer
        return digest

    async def push_manifest(self, name: str, reference: str, document: object, **headers: str) -> Answer:
        """Push a manifest, under the type it states; in it must be only what is there already."""
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        kind = headers.pop("kind", None) or json.loads(raw)["mediaType"]
        return await self.ask("PUT", f"/v2/{name}/manifests/{reference}", raw, {"Content-Type": kind, **headers})

    async def push_image(self, name: str, *tags: str, **more: object) -> Digest:
        """Push an image of no layers under some tags, or under its digest alone."""
        await self.push_blob(name, CONFIG)
        raw = json.dumps(image(**more)).encode()
        for reference in tags or (Digest.of(raw),):
            answer = await self.push_manifest(name, reference, raw)
            assert answer.status == 201, answer
        return Digest.of(raw)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A bare connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def say(self, text: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send bytes as they are, and read one response: status, headers in lower case, body."""
        async with self.connection() as (reader, writer):
            writer.write(text)
            return await read_response(reader)

    @contextlib.asynccontextmanager
    async def unfinished(self, head: str, sent: bytes, location: str) -> AsyncIterator[Connection]:
        """A request to an upload session whose body stops coming; the client goes away at the end of the `with`."""
        async with self.connection() as (reader, writer):
            writer.write(f"{head}\r\nHost: x\r\nExpect: 100-continue\r\n\r\n".encode())
            assert await reader.readuntil(b"\r\n\r\n") == CONTINUE
            writer.write(sent)
            await writer.drain()
            yield reader, writer
        while (await self.ask("GET", location)).status == 503:
            await asyncio.sleep(0)


async def read_response(reader: asyncio.StreamReader, *, body: bool = True) -> tuple[int, dict[str, str], bytes]:
    """Read one response of a known length from a bare connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    length = int(headers.get("content-length", 0)) if body else 0
    return int(head[0].split()[1]), headers, await reader.readexactly(length)


def describe(content: bytes, media_type: str = media.OCI_LAYER) -> dict[str, object]:
    """The descriptor of some content."""
    return {"mediaType": media_type, "digest": Digest.of(content), "size": len(content)}


def image(**more: object) -> dict[str, object]:
    """An image of no layers; push CONFIG first."""
    config = describe(CONFIG, media.OCI_CONFIG)
    return {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": config, "layers": [], **more}


def index(*children: dict[str, object], **more: object) -> dict[str, object]:
    """An index of these descriptors."""
    return {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": list(children), **more}


async def _in_chunks(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
