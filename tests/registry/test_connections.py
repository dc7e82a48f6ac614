"""Connections: how many are served at once, which make room for others, and who is not waited for any more."""

import asyncio
import contextlib
import itertools
import logging
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from registry.http import call, connections
from registry.http import server as server_module
from registry.http.api import Api
from registry.http.connections import ConnectionLimit, Listener, bind
from registry.http.server import HttpServer
from storage.local import LocalNamespace
from storage.oci.digest import Digest
from tests.parts.process import PATIENCE
from tests.parts.tls import Authority
from tests.registry.client import CONTINUE, Client, Connection, read_response

PING = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = bytes(32 * 1024 * 1024)
MOST = 3


@dataclass(frozen=True)
class Served(Client):
    """A client, and the server."""

    server: HttpServer


@contextlib.asynccontextmanager
async def serving(
    namespace: LocalNamespace, most: int = MOST, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    """A server with so many places, accepting as `preg serve` does."""
    server = HttpServer(Api(namespace), ConnectionLimit(most), access_log=False)
    listener = Listener(await bind("127.0.0.1", 0), server.limit, server, tls)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Served(listener.port, session, server)
    listener.close()
    await server.shutdown(1)


@pytest.fixture
async def client(namespace: LocalNamespace) -> AsyncIterator[Client]:
    """A client of a server with few places."""
    async with serving(namespace) as served:
        yield served


@contextlib.contextmanager
def all_open(opened: list[Connection]) -> Iterator[None]:
    """Close connections in the end."""
    try:
        yield
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def connect(client: Client, said: bytes = b"") -> Connection:
    """A connection on which something was said, without waiting for an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(said)
    await writer.drain()
    return reader, writer


async def ask(connection: Connection) -> int:
    """The status of a ping."""
    reader, writer = connection
    writer.write(PING)
    return (await read_response(reader))[0]


async def is_closed(connection: Connection) -> None:
    """Wait for the end that the server makes."""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionError):
            assert await connection[0].read() == b""


async def begin_upload(client: Client) -> Connection:
    """A connection that is in the middle of an upload: the server has asked for its body."""
    head = f"POST /v2/a/blobs/uploads/?digest={Digest.of(b'hello')} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue"
    reader, writer = await connect(client, f"{head}\r\nContent-Length: 5\r\n\r\n".encode())
    assert await reader.readuntil(b"\r\n\r\n") == CONTINUE
    return reader, writer


async def test_the_longest_idle_makes_room(client: Client) -> None:
    opened = [await connect(client) for _ in range(MOST)]
    with all_open(opened):
        assert [await ask(each) for each in opened] == [200] * MOST
        # Idle for the shortest time, though it came first.
        assert await ask(opened[0]) == 200
        opened.append(await connect(client))
        assert await ask(opened[-1]) == 200
        await is_closed(opened[1])
        assert [await ask(each) for each in (opened[0], opened[2], opened[3])] == [200] * MOST


@pytest.mark.parametrize("said", [b"", PING[:-4]], ids=["nothing", "half a header"])
async def test_who_has_sent_no_whole_request_is_idle(client: Client, said: bytes) -> None:
    opened = [await connect(client, said) for _ in range(20)]
    with all_open(opened):
        assert (await client.ask("GET", "/v2/")).status == 200
        for each in opened[: -(MOST - 1)]:
            await is_closed(each)


async def test_where_none_is_idle_new_ones_are_told_to_come_again(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    uploads = [await begin_upload(client) for _ in range(MOST)]
    with all_open(uploads):
        for method, body in (("GET", None), ("GET", None), ("PUT", b"some body")):
            answer = await client.ask(method, "/v2/a/manifests/latest", body)
            answer.refused(503, "UNAVAILABLE")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Connection"] == "close"
        warnings = [record for record in caplog.records if record.name == "preg.connections"]
        assert [record.getMessage() for record in warnings] == [
            f"{MOST} connections are open, and none is idle: new ones are answered with 503"
        ]
        # Those that were there are served to their end, and one that is idle again makes room.
        for reader, writer in uploads:
            writer.write(b"hello")
            assert (await read_response(reader))[0] == 201
        assert (await client.ask("GET", "/v2/")).status == 200


async def test_a_download_under_way_is_not_idle(client: Client) -> None:
    digest = await client.push_blob("a", LARGE)
    said = f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    downloads = [await connect(client, said) for _ in range(MOST)]
    with all_open(downloads):
        heads = [await reader.readuntil(b"\r\n\r\n") for reader, _ in downloads]
        assert all(head.startswith(b"HTTP/1.1 200") for head in heads)
        (await client.ask("GET", "/v2/")).refused(503, "UNAVAILABLE")
        for reader, _ in downloads:
            assert await reader.readexactly(len(LARGE)) == LARGE


async def test_only_so_many_are_being_refused_at_once(client: Client) -> None:
    uploads = [await begin_upload(client) for _ in range(MOST)]
    silent = [await connect(client) for _ in range(connections._REFUSED_MOST)]
    with all_open(uploads + silent):
        (await client.ask("GET", "/v2/")).refused(503, "UNAVAILABLE")
        await is_closed(silent[0])


async def test_who_never_begins_tls_makes_room(namespace: LocalNamespace, authority: Authority) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.certificate, authority.key)
    async with serving(namespace, tls=context) as client:
        opened = [await connect(client) for _ in range(MOST)]
        with all_open(opened):
            secured = await asyncio.open_connection("127.0.0.1", client.port, ssl=authority.client())
            with all_open([secured]):
                await is_closed(opened[0])
                assert await ask(secured) == 200
            # What is no TLS is closed, and nobody is told.
            opened[1][1].write(PING)
            await is_closed(opened[1])


async def test_without_files_left_nothing_is_accepted_for_a_moment(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio's own way of accepting tries a thousand times a second, and logs each time."""
    monkeypatch.setattr(connections, "_BACK_OFF", 0.01)
    said = asyncio.Event()

    def note(_: logging.LogRecord) -> bool:
        said.set()
        return True

    caplog.handler.addFilter(note)
    again, tries = asyncio.Event(), itertools.count(1)
    go_on = Listener._go_on

    def count(listener: Listener, listening: socket.socket) -> None:
        go_on(listener, listening)
        if next(tries) == 3:
            again.set()

    monkeypatch.setattr(Listener, "_go_on", count)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as waiting:
        waiting.setblocking(False)
        # The kernel gives the lowest number that is free, so what lies below is taken as well.
        fillers = [os.dup(0) for _ in range(50)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) - 25, hard))
        try:
            await asyncio.get_running_loop().sock_connect(waiting, ("127.0.0.1", client.port))
            await asyncio.wait_for(said.wait(), PATIENCE)
            # Tried again, and found wanting again.
            await asyncio.wait_for(again.wait(), PATIENCE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for each in fillers:
                os.close(each)
        reader, writer = await asyncio.open_connection(sock=waiting)
        assert await ask((reader, writer)) == 200
        writer.transport.abort()
    messages = [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    assert messages == ["no connection can be accepted for a moment: Too many open files"]


class TestSilence:
    """Clients that say nothing more, or take nothing more."""

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let patience end soon; what is waited for in these tests never comes."""
        monkeypatch.setattr(call, "SILENCE", 0.1)
        monkeypatch.setattr(connections, "UNSENT", 300)

    @pytest.mark.parametrize(
        "line", ["POST /v2/a/blobs/uploads/?digest={}", "PUT /v2/a/manifests/latest", "PATCH {location}"]
    )
    async def test_a_body_that_never_comes(self, namespace: LocalNamespace, line: str) -> None:
        async with serving(namespace) as client:
            location = await client.open_upload("a")
            line = line.format(Digest.of(b"hello"), location=location)
            async with client.connection() as (reader, writer):
                writer.write(f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell".encode())
                status, headers, body = await read_response(reader)
            assert (status, headers["connection"]) == (408, "close")
            assert b"UNAVAILABLE" in body
            assert await client.held(location) == "0-0"

    async def test_a_chunk_that_says_where_it_belongs_is_kept_as_far_as_it_came(
        self, namespace: LocalNamespace
    ) -> None:
        async with serving(namespace) as client:
            location = await client.open_upload("a")
            async with client.connection() as (reader, writer):
                head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Range: 0-4\r\nContent-Length: 5\r\n\r\n"
                writer.write(head.encode() + b"hell")
                assert (await read_response(reader))[0] == 408
            assert await client.held(location) == "0-3"

    async def test_half_a_header(self, namespace: LocalNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_module, "_KEEPALIVE", 0.1)
        async with serving(namespace) as client:
            for said in (b"", PING[:-4]):
                opened = await connect(client, said)
                with all_open([opened]):
                    await is_closed(opened)

    @pytest.mark.parametrize("store", ["folder", "memory"], indirect=True)
    async def test_a_client_that_takes_nothing_of_its_answer(
        self, namespace: LocalNamespace, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with serving(namespace) as client:
            digest = await client.push_blob("a", LARGE)
            async with client.connection() as (reader, writer):
                writer.write(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                await reader.readuntil(b"\r\n\r\n")
                # The kernel says so to the server alone, and to the client when it takes something after all.
                await asyncio.wait_for(client.server.connections[-1].lost, PATIENCE)
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_all_addresses_of_a_host_have_one_port() -> None:
    for host in ("localhost", "", "127.0.0.1"):
        sockets = await bind(host, 0)
        assert len({each.getsockname()[1] for each in sockets}) == 1
        for each in sockets:
            each.close()


async def test_an_address_that_is_taken_is_an_error_and_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await bind("127.0.0.1", taken.getsockname()[1])
