"""Our client of other registries against our server, and against servers that misbehave."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from storage.oci import errors
from storage.oci.digest import Digest
from storage.oci.manifest import Manifest
from storage.oci.reference import parse_name, parse_tag
from storage.remote import connector, transport
from storage.remote.address import is_loopback
from storage.remote.client import RemoteNamespace, RemoteRepository
from storage.remote.endpoint import Endpoint
from storage.repository import BlobWriter
from tests.parts.images import data, push
from tests.parts.server import Server

CONTENT = os.urandom(3_000_000)
DIGEST = Digest.of(CONTENT)
NAME = parse_name("team/app")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[RemoteRepository]]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are spread by chance and grow; here they are as short as they may be."""
    monkeypatch.setattr(transport, "_LONGEST_PAUSE", 0.0)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve every request by one handler, and give a repository there."""
    cleanups: list[Callable[[], Awaitable[None]]] = []

    async def start(handler: Handler) -> RemoteRepository:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(application, host="127.0.0.1")
        await server.start_server()
        namespace = RemoteNamespace(Endpoint.of(f"127.0.0.1:{server.port}"))
        cleanups.extend((namespace.aclose, server.close))
        return namespace.repository(NAME)

    yield start
    for cleanup in cleanups:
        await cleanup()


@pytest.fixture
async def remote(server: Server, repository: str) -> AsyncIterator[RemoteRepository]:
    """A repository on our own server."""
    namespace = RemoteNamespace(Endpoint.of(server.address))
    yield namespace.repository(parse_name(repository))
    await namespace.aclose()


async def write_all(writer: BlobWriter) -> None:
    for _ in range(1000):
        await writer.write(bytes(1 << 16))


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_a_blob_goes_up_in_pieces_and_comes_back_in_any_part(remote: RemoteRepository) -> None:
    async with await remote.blobs.upload() as writer:
        for start in range(0, len(CONTENT), 70_001):
            await writer.write(memoryview(CONTENT)[start : start + 70_001])
        assert writer.offset == len(CONTENT)
        await writer.commit(DIGEST)
    blob = await remote.blobs.get(DIGEST)
    assert (blob.size, blob.path) == (len(CONTENT), None)
    assert await collect(blob.read()) == CONTENT
    assert await collect(blob.read(1000, 2_500_000)) == CONTENT[1000:2_500_000]
    assert await collect(blob.read(len(CONTENT) - 1)) == CONTENT[-1:]
    assert await collect(blob.read(len(CONTENT))) == b""


async def test_an_empty_blob_goes_up(remote: RemoteRepository) -> None:
    async with await remote.blobs.upload() as writer:
        await writer.commit(Digest.of(b""))
    assert (await remote.blobs.get(Digest.of(b""))).size == 0


async def test_a_wrong_digest_is_refused(remote: RemoteRepository) -> None:
    async with await remote.blobs.upload() as writer:
        await writer.write(b"x")
        with pytest.raises(errors.DigestInvalid):
            await writer.commit(DIGEST)
    with pytest.raises(errors.BlobUnknown):
        await remote.blobs.get(DIGEST)


async def test_an_upload_is_cancelled_once_and_for_all(remote: RemoteRepository) -> None:
    writer = await remote.blobs.upload()
    await writer.write(b"x")
    await writer.abort()
    await writer.abort()
    with pytest.raises(errors.BlobUploadUnknown):
        await remote.blobs.upload(writer.id)


async def test_manifests_tags_and_deletes(server: Server, repository: str, remote: RemoteRepository) -> None:
    image = data("client", layers=1, size=100)
    push(server, repository, "1", image)
    manifest = await remote.manifests.get(parse_tag("1"))
    assert (manifest.raw, manifest.digest) == (image.manifest, image.digest)
    await remote.manifests.put(manifest, [parse_tag(f"t{number}") for number in range(5)])
    tags = [tag async for tag in remote.tags.list()]
    assert tags == ["1", "t0", "t1", "t2", "t3", "t4"]
    assert [tag async for tag in remote.tags.list("t2")] == ["t3", "t4"]
    assert await remote.referrers.page(manifest.digest) == ([], "")
    await remote.tags.delete(parse_tag("t0"))
    with pytest.raises(errors.ManifestUnknown):
        await remote.manifests.get(parse_tag("t0"))
    await remote.manifests.delete(manifest.digest)
    with pytest.raises(errors.ManifestUnknown):
        await remote.manifests.get(manifest.digest)
    with pytest.raises(errors.ManifestUnknown):
        await remote.manifests.delete(manifest.digest)


async def test_referrers_come_page_by_page(server: Server, repository: str, remote: RemoteRepository) -> None:
    image = data("with referrers", layers=1, size=100)
    push(server, repository, "1", image)
    document = json.loads(image.manifest)
    document["subject"] = {"mediaType": document["mediaType"], "digest": image.digest, "size": len(image.manifest)}
    attached = []
    for number in range(6):
        raw = json.dumps({**document, "annotations": {str(number): "x" * 1_000_000}}).encode()
        await remote.manifests.put(Manifest.parse(raw))
        attached.append(Digest.of(raw))
    first = await remote.referrers.page(image.digest)
    assert [each.digest for each in first.descriptors] == attached[:4]
    second = await remote.referrers.page(image.digest, first.last)
    assert ([each.digest for each in second.descriptors], second.last) == (attached[4:], "")


async def test_a_manifest_that_lacks_its_blobs_is_refused(server: Server, remote: RemoteRepository) -> None:
    manifest = Manifest.parse(data("lacking", layers=1, size=10).manifest)
    with pytest.raises(errors.ManifestBlobUnknown):
        await remote.manifests.put(manifest, [parse_tag("1")])


async def test_a_download_that_breaks_off_goes_on_where_it_was(serve: Serve) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Length": str(len(CONTENT))}
        if request.method == "HEAD":
            return web.Response(headers=headers)
        asked.append(request.headers.get("Range", ""))
        start = int(asked[-1][6:].partition("-")[0]) if asked[-1] else 0
        headers = {"Content-Length": str(len(CONTENT) - start)}
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        await response.write(CONTENT[start : start + 1_000_000])
        if start + 1_000_000 < len(CONTENT) and request.transport is not None:
            request.transport.abort()
        return response

    blob = await (await serve(handler)).blobs.get(DIGEST)
    assert await collect(blob.read()) == CONTENT
    assert asked[0] == ""
    assert len(asked) >= 3
    starts = [int(each[6:].partition("-")[0]) for each in asked[1:]]
    assert starts == sorted(set(starts))


async def test_a_server_that_knows_no_ranges_serves_all_the_same(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=CONTENT)

    blob = await (await serve(handler)).blobs.get(DIGEST)
    assert await collect(blob.read(10, 2_000_000)) == CONTENT[10:2_000_000]


async def test_a_download_that_never_gets_on_is_given_up(serve: Serve) -> None:
    tries = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": "1000"})
        tries += 1
        await response.prepare(request)
        if request.transport is not None:
            request.transport.abort()
        return response

    blob = await (await serve(handler)).blobs.get(DIGEST)
    with pytest.raises(errors.Unavailable, match="broke off at byte 0 of 1000"):
        await collect(blob.read())
    assert tries == 4


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_passing_fault_is_tried_again(status: int, serve: Serve) -> None:
    tries = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        return web.Response(status=status if tries < 3 else 200, headers={"Retry-After": "7", "Content-Length": "0"})

    blob = await (await serve(handler)).blobs.get(DIGEST)
    assert (blob.size, tries) == (0, 3)


@pytest.mark.parametrize(
    ("status", "fault"),
    [(400, errors.RequestInvalid), (403, errors.Denied), (429, errors.TooManyRequests), (503, errors.Unavailable)],
)
async def test_a_lasting_fault_is_told_as_what_it_is(
    status: int, fault: type[errors.RegistryError], serve: Serve
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status if "manifests" in request.path else 200, text="<html>no JSON</html>")

    with pytest.raises(fault):
        await (await serve(handler)).manifests.get(parse_tag("1"))


async def test_a_manifest_other_than_asked_for_is_refused(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=data("other", layers=1, size=10).manifest)

    with pytest.raises(errors.DigestInvalid, match="sent something else"):
        await (await serve(handler)).manifests.get(DIGEST)


async def test_an_endless_manifest_is_not_read_to_its_end(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 20))
        except ConnectionResetError:
            return response

    with pytest.raises(errors.Unavailable, match="more than 4194304 bytes"):
        await (await serve(handler)).manifests.get(parse_tag("1"))


async def test_an_upload_that_is_refused_half_way_fails_the_writer(serve: Serve) -> None:
    refused = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": "/v2/team/app/blobs/uploads/1"})
        await request.content.readany()
        refused.set()
        return web.Response(status=507, text="full")

    repository = await serve(handler)
    async with await repository.blobs.upload() as writer:
        with pytest.raises(errors.RegistryError):
            await write_all(writer)
    assert refused.is_set()


async def test_a_mount_that_became_an_upload_is_cancelled(serve: Serve) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(f"{request.method} {request.path_qs}")
        status = {"POST": 202, "DELETE": 204}[request.method]
        return web.Response(status=status, headers={"Location": "/v2/team/app/blobs/uploads/1?state=a%2Fb"})

    repository = await serve(handler)
    assert not await repository.blobs.mount(DIGEST, parse_name("team/base"))
    assert seen == [
        f"POST /v2/team/app/blobs/uploads/?mount={DIGEST.replace(':', '%3A')}&from=team%2Fbase",
        "DELETE /v2/team/app/blobs/uploads/1?state=a%2Fb",
    ]


async def test_a_location_keeps_its_query_beside_the_digest(serve: Serve) -> None:
    seen: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        if request.method == "PUT":
            seen.append(dict(request.query))
            return web.Response(status=201)
        return web.Response(status=202, headers={"Location": "/v2/team/app/blobs/uploads/1?_state=a%2Bb%3D"})

    async with await (await serve(handler)).blobs.upload() as writer:
        await writer.write(b"x")
        await writer.commit(DIGEST)
    assert seen == [{"_state": "a+b=", "digest": DIGEST}]


async def test_a_registry_that_does_not_answer_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "_CONNECT", 0.01)
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        # So many that the kernel answers nobody else.
        for _ in range(3):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        namespace = RemoteNamespace(Endpoint.of(f"127.0.0.1:{address[1]}"))
        try:
            with pytest.raises(errors.Unavailable, match=r"it does not answer \(connection timed out\)"):
                await namespace.repository(NAME).manifests.get(parse_tag("1"))
        finally:
            await namespace.aclose()


async def test_a_registry_that_is_not_there_is_named() -> None:
    namespace = RemoteNamespace(Endpoint.of("127.0.0.1:1"))
    try:
        with pytest.raises(errors.Unavailable, match=r"registry 127\.0\.0\.1:1 cannot be reached"):
            await namespace.repository(NAME).manifests.get(parse_tag("1"))
    finally:
        await namespace.aclose()


@pytest.mark.parametrize(
    ("registry", "loopback"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("[::1]", True),
        ("docker.io", False),
        ("localhost.example:5000", False),
        ("10.0.0.1:5000", False),
        ("127.0.0.1.example", False),
        ("[2001:db8::1]:5000", False),
    ],
)
def test_only_this_hosts_own_addresses_do_without_tls(registry: str, loopback: bool) -> None:
    assert is_loopback(registry) == loopback
    schemes = Endpoint.of(registry).schemes
    assert schemes == (("https", "http") if loopback else ("https",))


def test_docker_hub_is_where_it_is() -> None:
    assert Endpoint.of("docker.io").root == "https://registry-1.docker.io/v2/"
