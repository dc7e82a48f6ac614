"""Upload sessions: distribution-spec, "Pushing blobs"."""

import re
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from registry.http.errors import RangeRefused
from registry.http.responses import UPLOAD_ID, created, empty, is_gone
from storage.oci.digest import ALGORITHMS, Digest
from storage.oci.errors import (
    BlobUploadUnknown,
    DigestInvalid,
    NameInvalid,
    RangeInvalid,
    RequestTimeout,
    SizeInvalid,
)
from storage.oci.headers import format_upload_range, parse_content_range
from storage.oci.reference import parse_name

if TYPE_CHECKING:
    from aiohttp import web

    from registry.http.call import Call
    from storage.repository import BlobWriter, Repository

_SESSION: Final = re.compile(r"[a-f0-9]{32}\Z")


async def start(call: "Call") -> "web.StreamResponse":
    """Mount a blob, take one whole, or open a session."""
    _check_algorithm(call)
    repository = call.repository
    mounted = await _mount(call, repository)
    if mounted is not None:
        return created(_blob_path(call, mounted), mounted)
    text = call.parameter("digest")
    if text is not None:
        digest = Digest(text)
        await _take_whole(call, await repository.blobs.upload(), digest)
        return created(_blob_path(call, digest), digest)
    async with await repository.blobs.upload() as upload:
        return empty(202, _progress(call, upload))


async def status(call: "Call") -> "web.StreamResponse":
    """Say how far a session has come."""
    async with await call.repository.blobs.upload(_session(call)) as upload:
        return empty(204, _progress(call, upload))


async def append(call: "Call") -> "web.StreamResponse":
    """Take a chunk, or all there is.

    A chunk that says where it belongs is kept as far as it came when the client goes away or falls silent, as the
    client can ask how far that was; of any other chunk nothing is kept, as the client can only send it again.
    """
    async with await call.repository.blobs.upload(_session(call)) as upload:
        await _receive(call, upload, keep=True)
        await upload.suspend()
        if is_gone(call.request) and hdrs.CONTENT_RANGE not in call.request.headers:
            # A slow store took longer than the client has waited: it sends the chunk again.
            await upload.rollback()
    return empty(202, _progress(call, upload))


async def finish(call: "Call") -> "web.StreamResponse":
    """Take the last chunk, if one comes along, and make the session a blob."""
    digest = Digest(call.parameter("digest") or "")
    async with await call.repository.blobs.upload(_session(call)) as upload:
        # Some clients say with nothing where the next chunk would lie.
        if call.request.body_exists:
            await _receive(call, upload, keep=False)
        await upload.commit(digest)
    call.api.sightings.note(digest, call.name)
    return created(_blob_path(call, digest), digest)


async def cancel(call: "Call") -> "web.StreamResponse":
    """Drop a session."""
    async with await call.repository.blobs.upload(_session(call)) as upload:
        await upload.abort()
    return empty(204, {})


async def _mount(call: "Call", repository: "Repository") -> Digest | None:
    """Take a blob over from another repository; whatever speaks against it leads to an upload instead."""
    wanted, source = call.parameter("mount"), call.parameter("from")
    if wanted is None:
        return None
    try:
        digest = Digest(wanted)
        name = None if source is None else parse_name(source)
    except (DigestInvalid, NameInvalid):
        return None
    access = call.api.access
    if name is None and not access.may_mount(call, None):
        name = call.api.sightings.find(digest)
    return digest if access.may_mount(call, name) and await repository.blobs.mount(digest, name) else None


async def _take_whole(call: "Call", upload: "BlobWriter", digest: Digest) -> None:
    """Take a blob in one request; a session that nobody knows of is not left behind."""
    async with upload:
        try:
            await _receive(call, upload, keep=False)
            await upload.commit(digest)
            call.api.sightings.note(digest, call.name)
        except BaseException:
            await upload.abort()
            raise


async def _receive(call: "Call", upload: "BlobWriter", *, keep: bool) -> None:
    """Append the body to a session, or leave the session as it was; see ``append`` for ``keep``."""
    expected = _expected_length(call, upload)
    begin = upload.offset
    keep = keep and hdrs.CONTENT_RANGE in call.request.headers
    try:
        if expected is not None:
            upload.expect(begin + expected)
        async for piece in call.body():
            await upload.write(piece)
            if expected is not None and upload.offset - begin > expected:
                break
        if expected is not None and upload.offset - begin != expected:
            keep = False
            raise SizeInvalid(f"{expected} bytes were announced, and others came")
        if not keep and is_gone(call.request):
            raise ConnectionResetError("the client went away")
    except BaseException as error:
        if not (keep and isinstance(error, ConnectionError | RequestTimeout)):
            await upload.rollback()
        raise


def _expected_length(call: "Call", upload: "BlobWriter") -> int | None:
    """Check a chunk's place in the session; say how long it is to be, if that is known.

    Raises:
        RangeRefused: the chunk does not begin where the session ends.
        SizeInvalid: its headers contradict each other.

    """
    length = call.content_length()
    value = call.request.headers.get(hdrs.CONTENT_RANGE)
    if value is None:
        return length
    try:
        span = parse_content_range(value)
        if span.start != upload.offset:
            raise RangeInvalid(f"the chunk begins at {span.start}, and the session holds {upload.offset} bytes")
    except RangeInvalid as fault:
        raise RangeRefused(str(fault), _progress(call, upload)) from None
    if length is not None and length != span.length:
        raise SizeInvalid(f"the Content-Range spans {span.length} bytes, and the Content-Length is {length}")
    return span.length


def _session(call: "Call") -> str:
    if _SESSION.match(call.argument) is None:
        raise BlobUploadUnknown(detail=call.argument[:100])
    return call.argument


def _check_algorithm(call: "Call") -> None:
    algorithm = call.parameter("digest-algorithm")
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise DigestInvalid(f"the digest algorithms are {', '.join(ALGORITHMS)}", algorithm[:100])


def _progress(call: "Call", upload: "BlobWriter") -> dict[str, str]:
    return {
        hdrs.LOCATION: f"{call.repository_path}/blobs/uploads/{upload.id}",
        hdrs.RANGE: format_upload_range(upload.offset),
        UPLOAD_ID: upload.id,
    }


def _blob_path(call: "Call", digest: Digest) -> str:
    return f"{call.repository_path}/blobs/{digest}"
