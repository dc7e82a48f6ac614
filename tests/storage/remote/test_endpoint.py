"""How a registry is spoken to, and what of that is decided by whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from storage.oci.errors import Unauthorized
from storage.oci.reference import parse_name, parse_tag
from storage.remote import connector
from storage.remote.client import RemoteNamespace
from storage.remote.credentials import Credentials
from storage.remote.endpoint import Endpoint, choose_schemes
from tests.parts.images import MANIFEST, data

IMAGE = data("endpoint", layers=1, size=10)
BOTH, TLS, PLAIN = ("https", "http"), ("https",), ("http",)


@pytest.mark.parametrize(
    ("plain_http", "tls_verify", "usually", "if_insecure"),
    [
        (None, None, (TLS, True), (BOTH, False)),
        (True, None, (PLAIN, True), (PLAIN, True)),
        (False, None, (TLS, True), (TLS, True)),
        (None, True, (TLS, True), (TLS, True)),
        (None, False, (BOTH, False), (BOTH, False)),
        (False, False, (TLS, False), (TLS, False)),
        (True, False, (PLAIN, True), (PLAIN, True)),
        (False, True, (TLS, True), (TLS, True)),
    ],
)
def test_what_is_asked_for_goes_over_what_a_registry_is_known_as(
    plain_http: bool | None,
    tls_verify: bool | None,
    usually: tuple[tuple[str, ...], bool],
    if_insecure: tuple[tuple[str, ...], bool],
) -> None:
    for insecure, expected in ((False, usually), (True, if_insecure)):
        assert choose_schemes(insecure=insecure, plain_http=plain_http, tls_verify=tls_verify) == expected


@asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[TestServer]:
    async with TestServer(application, host="127.0.0.1") as server:
        yield server


async def manifest_of(endpoint: Endpoint, credentials: Credentials | None = None) -> bytes:
    namespace = RemoteNamespace(endpoint, credentials)
    try:
        return (await namespace.repository(parse_name("team/app")).manifests.get(parse_tag("1"))).raw
    finally:
        await namespace.aclose()


async def test_headers_that_are_for_a_registry_go_nowhere_else() -> None:
    seen: list[tuple[str, str]] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers.get("X-Key", "")))
        if request.path != "/there":
            raise web.HTTPTemporaryRedirect(f"http://localhost:{server.port}/there")
        return web.Response(body=IMAGE.manifest, content_type=MANIFEST)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    async with serving(application) as server:
        endpoint = Endpoint(f"127.0.0.1:{server.port}", PLAIN)
        endpoint.path, endpoint.headers = "/below/v2", {"X-Key": "secret"}
        assert await manifest_of(endpoint) == IMAGE.manifest
    assert seen == [("/below/v2/team/app/manifests/1", "secret"), ("/there", "")]


@pytest.mark.parametrize("reaction", ["waits for more", "hangs up", "resets", "talks"])
async def test_what_does_not_answer_to_tls_is_asked_without(reaction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may take the beginning of TLS for that of a request, and wait for the rest, or be put off."""
    if reaction == "waits for more":
        monkeypatch.setattr(connector, "_UNSURE", 0.01)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1)
        try:
            if first == b"\x16" and reaction == "talks":
                writer.write(b"220 mail.test ready\r\n")
            elif first == b"\x16" and reaction == "resets":
                writer.transport.abort()
            if first == b"\x16" and reaction != "waits for more":
                writer.close()
                return
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {MANIFEST}\r\nContent-Length: {len(IMAGE.manifest)}\r\n\r\n"
            writer.write(head.encode() + IMAGE.manifest)
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        endpoint = Endpoint.of(f"127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        assert await manifest_of(endpoint) == IMAGE.manifest
    assert endpoint.scheme == "http"


@pytest.mark.parametrize(
    ("realm", "plain_tokens", "asked"),
    [
        ("http://127.0.0.1:{}/token", False, True),
        ("http://localhost:{}/token", False, True),
        ("http://token.test:{}/token", False, False),
        # It is asked, and cannot be reached.
        ("http://token.test:{}/token", True, True),
    ],
)
async def test_credentials_go_without_tls_to_this_host_or_where_that_was_asked_for(
    realm: str, plain_tokens: bool, asked: bool
) -> None:
    shown: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        if request.path == "/token":
            shown.append(request.headers.get("Authorization", ""))
            return web.json_response({}, status=403)
        challenge = f'Bearer realm="{realm.format(server.port)}"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    async with serving(application) as server:
        endpoint = Endpoint.of(f"127.0.0.1:{server.port}")
        endpoint.plain_tokens = plain_tokens
        with pytest.raises(Exception, match="token server" if asked else "which is not https") as fault:
            await manifest_of(endpoint, Credentials("alice", "s3cret"))
    assert (len(shown) == 1) == (asked and "token.test" not in realm)
    assert isinstance(fault.value, Unauthorized) or "cannot be resolved" in str(fault.value)
