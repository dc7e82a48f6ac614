"""Blobs: distribution-spec, "Pulling blobs" and "Deleting Blobs"."""

import secrets
from typing import TYPE_CHECKING

from aiohttp import hdrs

from registry.http.errors import RangeRefused
from registry.http.responses import DIGEST, empty, send_blob
from storage.oci.digest import Digest
from storage.oci.errors import RangeInvalid
from storage.oci.headers import Span, format_content_range, format_unsatisfied_range, parse_etags, parse_ranges
from storage.oci.media import OCTET_STREAM
from storage.repository import SupportsUrl

if TYPE_CHECKING:
    from aiohttp import web

    from registry.http.call import Call


async def get(call: "Call") -> "web.StreamResponse":
    """Send a blob or a part of it, or say where the storage sends it."""
    digest = Digest(call.argument)
    blob = await call.repository.blobs.get(digest)
    headers = _headers(digest)
    if is_known(call, digest):
        return empty(304, headers)
    if call.api.redirects.include(call.header(hdrs.USER_AGENT)) and isinstance(blob, SupportsUrl):
        url = await blob.url(call.api.redirects.lifetime)
        if url is not None:
            return empty(307, {DIGEST: digest, hdrs.LOCATION: url, hdrs.CACHE_CONTROL: "no-store"})
    spans = _ranges(call, digest, blob.size)
    if not spans:
        return await send_blob(call.request, blob, [Span(0, blob.size)], 200, headers)
    if len(spans) == 1:
        headers[hdrs.CONTENT_RANGE] = format_content_range(spans[0], blob.size)
        return await send_blob(call.request, blob, spans, 206, headers)
    boundary = secrets.token_hex(16)
    headers[hdrs.CONTENT_TYPE] = f"multipart/byteranges; boundary={boundary}"
    return await send_blob(call.request, blob, _multipart(spans, blob.size, boundary), 206, headers)


async def head(call: "Call") -> "web.StreamResponse":
    """Describe a blob."""
    digest = Digest(call.argument)
    blob = await call.repository.blobs.get(digest)
    headers = _headers(digest)
    if is_known(call, digest):
        return empty(304, headers)
    return empty(200, {**headers, hdrs.CONTENT_TYPE: OCTET_STREAM, hdrs.CONTENT_LENGTH: str(blob.size)})


async def delete(call: "Call") -> "web.StreamResponse":
    """Remove a blob from the repository."""
    await call.repository.blobs.delete(Digest(call.argument))
    return empty(202, {})


def is_known(call: "Call", digest: Digest) -> bool:
    """Tell whether the client has the content already (RFC 9110, section 13.1.2)."""
    known = call.header(hdrs.IF_NONE_MATCH)
    return bool(known) and not parse_etags(known).isdisjoint((digest, "*"))


def _headers(digest: Digest) -> dict[str, str]:
    return {
        DIGEST: digest,
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: "max-age=31536000",
        hdrs.ETAG: f'"{digest}"',
    }


def _ranges(call: "Call", digest: Digest, size: int) -> list[Span]:
    """Read the wanted ranges; an If-Range that names other content asks for everything (RFC 9110, section 13.1.5)."""
    wanted, condition = call.header(hdrs.RANGE), call.header(hdrs.IF_RANGE)
    if not wanted or (condition and condition != f'"{digest}"'):
        return []
    try:
        return parse_ranges(wanted, size)
    except RangeInvalid as fault:
        raise RangeRefused(str(fault), {hdrs.CONTENT_RANGE: format_unsatisfied_range(size)}) from None


def _multipart(spans: list[Span], size: int, boundary: str) -> list[bytes | Span]:
    """Put several ranges into one body, in the order they were asked for (RFC 9110, section 14.6)."""
    content: list[bytes | Span] = []
    for span in spans:
        head = f"\r\n--{boundary}\r\nContent-Type: {OCTET_STREAM}\r\nContent-Range: {format_content_range(span, size)}"
        content += [f"{head}\r\n\r\n".encode(), span]
    return [*content, f"\r\n--{boundary}--\r\n".encode()]
