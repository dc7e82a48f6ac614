"""Responses: what every one of them carries, and the ways a body is sent."""

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from storage.errors import StorageUnavailable
from storage.oci.media import OCTET_STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from io import BufferedReader
    from pathlib import Path

    from storage.oci.digest import Digest
    from storage.oci.headers import Span
    from storage.repository import Blob

REQUEST_ID: Final = web.RequestKey("request_id", str)
#: Whether the connection is to end with this request.
LAST: Final = web.RequestKey("last", bool)
REQUEST_ID_HEADER: Final = "X-Request-ID"
DIGEST: Final = "Docker-Content-Digest"
UPLOAD_ID: Final = "Docker-Upload-UUID"
JSON: Final = "application/json"
#: Old Docker engines recognise a registry by the first of these.
COMMON: Final = {"Docker-Distribution-API-Version": "registry/2.0", hdrs.SERVER: "preg"}

#: Up to this size one read and one write cost less than the kernel's sendfile does.
_SMALL: Final = 64 * 1024


def is_gone(request: web.BaseRequest) -> bool:
    """Tell whether the client has gone away, so that nobody can be given an answer any more."""
    return request.transport is None or request.transport.is_closing()


def empty(status: int, headers: "Mapping[str, str]") -> web.Response:
    """Answer without a body."""
    return web.Response(status=status, headers={**COMMON, **headers})


def document(
    body: bytes, media_type: str, headers: "Mapping[str, str] | None" = None, status: int = 200
) -> web.Response:
    """Answer with a small body; its Content-Type is exactly ``media_type``."""
    return web.Response(status=status, body=body, headers={**COMMON, hdrs.CONTENT_TYPE: media_type, **(headers or {})})


def created(location: str, digest: "Digest", headers: "Mapping[str, str] | None" = None) -> web.Response:
    """Say where content lies that is durable from now on."""
    return empty(201, {hdrs.LOCATION: location, DIGEST: digest, **(headers or {})})


async def send_blob(
    request: web.BaseRequest, blob: "Blob", content: "Sequence[bytes | Span]", status: int, headers: "Mapping[str, str]"
) -> web.StreamResponse:
    """Send spans of a blob, and bytes between them.

    From a file of this host the kernel sends all that is large, and no byte of it passes through here.
    """
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in content)
    headers = {
        **COMMON,
        REQUEST_ID_HEADER: request[REQUEST_ID],
        hdrs.CONTENT_TYPE: OCTET_STREAM,
        hdrs.CONTENT_LENGTH: str(length),
        **headers,
    }
    if blob.path is None:
        return await _stream(request, blob, content, web.StreamResponse(status=status, headers=headers))
    with _open(blob.path) as file:
        if length <= _SMALL:
            body = b"".join([_small(file, piece) for piece in content])
            return web.Response(status=status, headers=headers, body=body)
        return await _send_file(request, file, content, web.StreamResponse(status=status, headers=headers))


def _open(path: "Path") -> "BufferedReader":
    try:
        return path.open("rb")  # a local file is opened in less time than a thread takes to do it
    except OSError as error:
        raise StorageUnavailable(error.strerror or str(error), key=str(path)) from error


def _small(file: "BufferedReader", piece: "bytes | Span") -> bytes:
    """Read a small span of a file."""
    return piece if isinstance(piece, bytes) else os.pread(file.fileno(), piece.length, piece.start)


async def _stream(
    request: web.BaseRequest, blob: "Blob", content: "Sequence[bytes | Span]", response: web.StreamResponse
) -> web.StreamResponse:
    # Closed at once where the client goes away: the store's connection would stay until the garbage is collected.
    async with contextlib.aclosing(_read(blob, content)) as pieces:
        first = await anext(pieces, b"")
        await response.prepare(request)
        await response.write(first)
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


async def _read(blob: "Blob", content: "Sequence[bytes | Span]") -> "AsyncGenerator[bytes, None]":
    for piece in content:
        if isinstance(piece, bytes):
            yield piece
        else:
            async for data in blob.read(piece.start, piece.stop):
                yield data


async def _send_file(
    request: web.BaseRequest, file: "BufferedReader", content: "Sequence[bytes | Span]", response: web.StreamResponse
) -> web.StreamResponse:
    await response.prepare(request)
    for piece in content:
        if isinstance(piece, bytes) or piece.length <= _SMALL:
            await response.write(_small(file, piece))
            # Neither of these waits as long as the kernel takes what it is given, and there may be a thousand.
            await asyncio.sleep(0)
        else:
            await _send_large(request, file, piece)
    await response.write_eof()
    return response


async def _send_large(request: web.BaseRequest, file: "BufferedReader", span: "Span") -> None:
    if request.transport is None or is_gone(request):
        raise ConnectionResetError("the client went away")
    sent = await asyncio.get_running_loop().sendfile(request.transport, file, span.start, span.length)
    if sent != span.length:
        raise StorageUnavailable(f"the file ended after {sent} of {span.length} bytes", key=file.name)
