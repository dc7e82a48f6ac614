"""Hundreds of clients at once, at a server that may open as few files as a shell or a service lets it."""

import asyncio
import contextlib
import json
import os
import resource
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.large import MIB
from tests.faults.test_memory import peak_memory
from tests.parts.required import required
from tests.parts.seaweed import seaweed
from tests.parts.server import Server, serving
from tests.parts.wire import sha256
from tests.registry.client import CONTINUE, Connection, read_response

CLIENTS = 800
SOFT = 1024
SIZE = 8 * MIB
SMALL = 100_000


@pytest.fixture(scope="module", autouse=True)
def enough_files() -> Iterator[None]:
    """Let this process be all the clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module", params=["folder", "s3"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limited = [required("prlimit"), f"--nofile={SOFT}:"]
    with contextlib.ExitStack() as running:
        if request.param == "s3":
            storage = running.enter_context(seaweed()).url()
        else:
            storage = str(tmp_path_factory.mktemp("storage"))
        yield running.enter_context(serving(storage, by=limited))


@contextlib.asynccontextmanager
async def clients(server: Server, said: bytes) -> AsyncIterator[list[Connection]]:
    """Many connections, on each of which something is said."""
    host, _, port = server.address.rpartition(":")
    opened = await asyncio.gather(*(asyncio.open_connection(host, int(port)) for _ in range(CLIENTS)))
    try:
        for _, writer in opened:
            writer.write(said)
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def ping(server: Server) -> int:
    return (await asyncio.to_thread(server.ask, "GET", "/v2/")).status


def said_besides(server: Server) -> list[str]:
    """What the server's log has above information, but for the requests."""
    lines = [json.loads(line) for line in server.process.stderr]
    return [line["message"] for line in lines if line["logger"] != "preg.access" and line["level"] != "info"]


async def test_downloads_run_side_by_side_and_others_are_answered(server: Server, repository: str) -> None:
    path = f"/v2/{repository}/blobs/{server.push_blob(repository, os.urandom(MIB) * (SIZE // MIB))}"
    async with clients(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) as opened:
        heads = await asyncio.gather(*(head(reader) for reader, _ in opened))
        assert {each.split()[1] for each in heads} == {b"200"}
        assert await ping(server) == 200
    assert said_besides(server) == []
    # So many pieces of the size that one client is sent would be 1.6 GiB.
    assert peak_memory(server) < 800 * MIB


async def test_so_do_uploads(server: Server, repository: str) -> None:
    content = os.urandom(SMALL)
    said = f"POST /v2/{repository}/blobs/uploads/?digest={sha256(content)} HTTP/1.1\r\nHost: x\r\n"
    said += f"Expect: 100-continue\r\nContent-Length: {len(content)}\r\n\r\n"
    async with clients(server, said.encode()) as opened:
        assert {await head(reader) for reader, _ in opened} == {CONTINUE}
        assert await ping(server) == 200
        for _, writer in opened:
            writer.write(content)
        answers = await asyncio.gather(*(read_response(reader) for reader, _ in opened))
        assert {status for status, _, _ in answers} == {201}
    assert said_besides(server) == []


async def test_whole_downloads_leave_no_line_each(server: Server, repository: str) -> None:
    """botocore's library warns of each connection more than it keeps."""
    path = f"/v2/{repository}/blobs/{server.push_blob(repository, os.urandom(SMALL))}"
    async with clients(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) as opened:
        answers = await asyncio.gather(*(read_response(reader) for reader, _ in opened))
        assert {len(body) for _, _, body in answers} == {SMALL}
    assert said_besides(server) == []


async def test_clients_that_send_half_a_header_keep_nobody_out(server: Server) -> None:
    async with clients(server, b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: "):
        assert await ping(server) == 200
    assert said_besides(server) == []
