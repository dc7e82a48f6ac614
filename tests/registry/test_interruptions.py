"""Transfers that are cut, wait, or come twice (protocol A5, A8, D31, D38, K95, K96)."""

import asyncio

import pytest

from storage.guard import Guard
from storage.layout import BlobData
from storage.local import LocalNamespace, blobs
from storage.local.upload import LocalBlobWriter
from storage.oci.digest import Digest
from tests.registry.client import CONTINUE, Client, read_response

MIB = 1024 * 1024
CONTENT = bytes(range(256)) * (3 * MIB // 256)
DIGEST = Digest.of(CONTENT)
UNKNOWN = Digest.of(b"unknown")

LENGTH = f"Content-Length: {len(CONTENT)}"
CHUNKED = "Transfer-Encoding: chunked"


def framed(framing: str, content: bytes) -> bytes:
    """The beginning of a body."""
    return content if framing == LENGTH else b"%x\r\n%s" % (len(CONTENT), content)


@pytest.mark.parametrize("sent", [1, 100_000, 2 * MIB + 5])
@pytest.mark.parametrize("framing", [LENGTH, CHUNKED])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_what_says_not_where_it_belongs_is_rolled_back(
    client: Client, method: str, framing: str, sent: int
) -> None:
    """D31: containerd and oras send the same body to the same Location again."""
    location = await client.open_upload("a")
    target = location if method == "PATCH" else f"{location}?digest={DIGEST}"
    async with client.unfinished(f"{method} {target} HTTP/1.1\r\n{framing}", framed(framing, CONTENT[:sent]), location):
        (await client.ask("GET", f"/v2/a/blobs/{DIGEST}")).refused(404, "BLOB_UNKNOWN")
    assert await client.held(location) == "0-0"
    answer = await client.ask(method, target, CONTENT)
    assert answer.status == (202 if method == "PATCH" else 201)
    if method == "PATCH":
        assert (await client.ask("PUT", f"{location}?digest={DIGEST}", b"")).status == 201
    assert (await client.ask("GET", f"/v2/a/blobs/{DIGEST}")).body == CONTENT


@pytest.mark.parametrize("sent", [2, 100_000, 2 * MIB + 5])
@pytest.mark.parametrize("framing", [LENGTH, CHUNKED])
async def test_a_chunk_that_says_where_it_belongs_is_kept_as_far_as_it_came(
    client: Client, framing: str, sent: int
) -> None:
    """D31: the client asks how far that was, and goes on from there."""
    location = await client.open_upload("a")
    head = f"PATCH {location} HTTP/1.1\r\nContent-Range: 0-{len(CONTENT) - 1}\r\n{framing}"
    async with client.unfinished(head, framed(framing, CONTENT[:sent]), location):
        pass
    assert await client.held(location) == f"0-{sent - 1}"
    rest = {"Content-Range": f"{sent}-{len(CONTENT) - 1}"}
    assert (await client.ask("PATCH", location, CONTENT[sent:], rest)).status == 202
    assert (await client.ask("PUT", f"{location}?digest={DIGEST}", b"")).status == 201
    assert (await client.ask("GET", f"/v2/a/blobs/{DIGEST}")).body == CONTENT


async def test_a_closing_put_with_a_range_is_rolled_back_too(client: Client) -> None:
    """D31: a PUT is repeated whole, whatever its headers."""
    location = await client.open_upload("a")
    await client.ask("PATCH", location, CONTENT[:1000])
    head = f"PUT {location}?digest={DIGEST} HTTP/1.1\r\nContent-Range: 1000-{len(CONTENT) - 1}"
    head += f"\r\nContent-Length: {len(CONTENT) - 1000}"
    async with client.unfinished(head, CONTENT[1000:90_000], location):
        pass
    assert await client.held(location) == "0-999"
    assert (await client.ask("PUT", f"{location}?digest={DIGEST}", CONTENT[1000:])).status == 201


@pytest.mark.parametrize("where", ["", "\r\nContent-Range: 0-9"])
async def test_broken_framing_is_rolled_back_and_answered(client: Client, where: str) -> None:
    """K95: even where it said where it belongs, as nobody knows which of its bytes are right."""
    location = await client.open_upload("a")
    head = f"PATCH {location} HTTP/1.1\r\n{CHUNKED}{where}"
    async with client.unfinished(head, b"5\r\nhello\r\n", location) as (reader, writer):
        writer.write(b"not a size\r\n")
        status, headers, _ = await read_response(reader)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert await client.held(location) == "0-0"


@pytest.mark.parametrize("path", ["/v2/a/blobs/uploads/?digest=" + DIGEST, "/v2/a/manifests/latest"])
async def test_a_request_cut_before_it_is_complete_leaves_nothing(
    client: Client, namespace: LocalNamespace, path: str
) -> None:
    """D31: neither a blob, nor a manifest, nor a session nobody knows of."""
    method = "PUT" if "manifests" in path else "POST"
    async with client.connection() as (_, writer):
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{LENGTH}\r\n\r\n".encode() + CONTENT[:5000])
        await writer.drain()
    assert (await client.ask("HEAD", f"/v2/a/blobs/{DIGEST}")).status == 404
    assert (await client.ask("HEAD", "/v2/a/manifests/latest")).status == 404
    assert [info.key async for info in namespace.store.list("")] == []


@pytest.mark.parametrize("store", ["folder", "memory"], indirect=True)
@pytest.mark.parametrize(("where", "held"), [("", "0-99"), ("\r\nContent-Range: 100-4095", "0-4095")])
async def test_a_chunk_that_is_durable_too_late_is_taken_back(
    client: Client, monkeypatch: pytest.MonkeyPatch, where: str, held: str
) -> None:
    """D31: a client that had no patience with a slow store sends it again, unless it can ask."""
    durable, gone = asyncio.Event(), asyncio.Event()
    suspend = LocalBlobWriter.suspend

    async def suspend_slowly(upload: LocalBlobWriter) -> None:
        await suspend(upload)
        durable.set()
        await gone.wait()

    location = await client.open_upload("a")
    await client.ask("PATCH", location, CONTENT[:100])
    with monkeypatch.context() as slow:
        slow.setattr(LocalBlobWriter, "suspend", suspend_slowly)
        async with client.connection() as (_, writer):
            head = f"PATCH {location} HTTP/1.1\r\nHost: x{where}\r\nContent-Length: 3996\r\n\r\n"
            writer.write(head.encode() + CONTENT[100:4096])
            await durable.wait()
        await client.ask("GET", "/v2/")  # when this is answered the end has been seen as well
        gone.set()
    assert await client.held(location) == held
    start = int(held.partition("-")[2]) + 1
    assert (await client.ask("PATCH", location, CONTENT[start:])).status == 202
    assert (await client.ask("PUT", f"{location}?digest={DIGEST}", b"")).status == 201
    assert (await client.ask("GET", f"/v2/a/blobs/{DIGEST}")).body == CONTENT


@pytest.mark.parametrize("line", ["PUT {location}?digest={digest}", "POST /v2/a/blobs/uploads/?digest={digest}"])
async def test_nothing_is_published_for_a_client_that_has_gone(
    client: Client, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """D31: it sends the same again, to a session that must be there."""
    written, gone = asyncio.Event(), asyncio.Event()
    write = LocalBlobWriter.write

    async def write_slowly(upload: LocalBlobWriter, data: bytes) -> None:
        await write(upload, data)
        written.set()
        await gone.wait()

    content = CONTENT[:1000]
    digest, location = Digest.of(content), await client.open_upload("a")
    with monkeypatch.context() as slow:
        slow.setattr(LocalBlobWriter, "write", write_slowly)
        async with client.connection() as (_, writer):
            head = (
                f"{line.format(location=location, digest=digest)} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
            )
            writer.write(head.encode() + content)
            await written.wait()
        await client.ask("GET", "/v2/")
        gone.set()
    assert await client.held(location) == "0-0"
    (await client.ask("GET", f"/v2/a/blobs/{digest}")).refused(404, "BLOB_UNKNOWN")
    assert (await client.ask("PUT", f"{location}?digest={digest}", content)).status == 201


async def test_a_session_that_is_written_to_is_busy_and_is_not_purged(
    client: Client, namespace: LocalNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D38, D40: a second writer is asked to come again."""
    monkeypatch.setattr(blobs, "_PATIENCE", 0.1)
    location = await client.open_upload("a")
    async with client.unfinished(f"PATCH {location} HTTP/1.1\r\n{LENGTH}", CONTENT[:10], location):
        for method in ("PATCH", "PUT", "DELETE", "GET"):
            answer = await client.ask(method, f"{location}?digest={DIGEST}")
            if method != "GET":
                answer.refused(503, "UNAVAILABLE")
            assert int(answer.headers["Retry-After"]) > 0
        assert await namespace.purge_uploads(idle=-1) == 0
    assert await client.held(location) == "0-0"
    assert await namespace.purge_uploads(idle=-1) == 1
    (await client.ask("GET", location)).refused(404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("PATCH /v2/a/blobs/uploads/" + "0" * 32, 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT /v2/a/blobs/uploads/" + "0" * 32 + f"?digest={DIGEST}", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT /v2/a/manifests/-bad", 400, "TAG_INVALID"),
        ("PUT /v2/A/manifests/t", 400, "NAME_INVALID"),
        ("PUT /v2/a/manifests/sha256:bad", 400, "DIGEST_INVALID"),
        ("POST /v2/a/blobs/uploads/?digest=sha256:bad", 400, "DIGEST_INVALID"),
        ("POST /nothing/here", 404, "UNSUPPORTED"),
        ("POST /v2/a/manifests/t", 405, "UNSUPPORTED"),
    ],
)
async def test_who_asks_first_is_refused_before_being_told_to_go_on(
    client: Client, request_line: str, status: int, code: str
) -> None:
    """A8, K96: no byte of the body is asked for."""
    head = f"{request_line} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
    answered, headers, body = await client.say(head.encode())
    assert (answered, headers["content-type"]) == (status, "application/json")
    assert f'"{code}"'.encode() in body


async def test_a_manifest_that_is_too_large_is_refused_before_it_comes(client: Client) -> None:
    """A8, E48."""
    head = "PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n"
    status, _, body = await client.say(head.encode())
    assert (status, b"MANIFEST_INVALID" in body) == (413, True)


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue"])
async def test_who_asks_first_is_told_to_go_on(client: Client, expect: str) -> None:
    """A8: and the connection serves the next request."""
    location = await client.open_upload("a")
    async with client.connection() as (reader, writer):
        for start in (0, 5):
            writer.write(
                f"PATCH {location} HTTP/1.1\r\nHost: x\r\nExpect: {expect}\r\n"
                f"Content-Range: {start}-{start + 4}\r\nContent-Length: 5\r\n\r\n".encode()
            )
            assert await reader.readuntil(b"\r\n\r\n") == CONTINUE
            writer.write(b"hello")
            status, headers, _ = await read_response(reader)
            assert (status, headers["range"]) == (202, f"0-{start + 4}")


async def test_http_1_0_is_not_told_to_go_on(client: Client) -> None:
    """RFC 9110, section 10.1.1: an nginx in front may speak 1.0, and would take it for the answer."""
    location = await client.open_upload("a")
    status, headers, _ = await client.say(
        f"PATCH {location} HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello".encode()
    )
    assert (status, headers["range"]) == (202, "0-4")


async def test_a_fault_after_the_body_was_asked_for_is_still_answered(client: Client) -> None:
    """A8: what was sent as 100 is no part of the response."""
    async with client.connection() as (reader, writer):
        writer.write(
            f"POST /v2/a/blobs/uploads/?digest={UNKNOWN} HTTP/1.1\r\nHost: x\r\n"
            "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n".encode()
        )
        assert await reader.readuntil(b"\r\n\r\n") == CONTINUE
        writer.write(b"hello")
        status, headers, body = await read_response(reader)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert b"DIGEST_INVALID" in body


async def test_a_body_that_nobody_wanted_is_read_away_and_the_connection_goes_on(client: Client) -> None:
    """A8, K96: clients that send all the same are not cut off."""
    body = bytes(2 * MIB)
    async with client.connection() as (reader, writer):
        writer.write(f"PUT /v2/A/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
        status, _, _ = await read_response(reader)
        assert status == 400
        writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _, answer = await read_response(reader)
    assert (status, answer) == (200, b"{}")


async def test_an_expectation_we_do_not_know_is_passed_over(client: Client) -> None:
    """A8."""
    status, _, _ = await client.say(
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n"
    )
    assert status == 202


async def test_a_blob_that_ends_early_is_cut_and_never_padded(client: Client, store: Guard) -> None:
    """A5: a missing end is the one thing that every client notices."""
    content = CONTENT * 10  # more than the kernel's buffers hold
    digest = await client.push_blob("a", content)
    path = store.local_path(BlobData(digest).key)
    assert path is not None
    async with client.connection() as (reader, writer):
        writer.write(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {len(content)}".encode() in head
        with path.open("r+b") as file:
            file.truncate(100)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(len(content))
