"""The real server in this process, on a folder and on memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from registry.http.api import Api
from registry.http.server import HttpServer
from storage.drivers.folder import FolderDriver
from storage.drivers.memory import MemoryDriver
from storage.guard import Guard
from storage.local import LocalNamespace
from tests.registry.client import Client


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Guard]:
    """An empty store: a folder, unless a test asks for "memory", from which bodies take another way."""
    in_memory = getattr(request, "param", "folder") == "memory"
    guard = Guard(MemoryDriver() if in_memory else FolderDriver(tmp_path / "store"))
    yield guard
    await guard.aclose()


@pytest.fixture
def namespace(store: Guard) -> LocalNamespace:
    """What the server serves."""
    return LocalNamespace(store)


@pytest.fixture
async def client(namespace: LocalNamespace) -> AsyncIterator[Client]:
    """A client of a running server."""
    runner = web.ServerRunner(HttpServer(Api(namespace), access_log=False), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Client(runner.addresses[0][1], session)
    await runner.cleanup()
