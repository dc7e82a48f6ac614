"""A registry on each of our drivers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.drivers.folder import FolderDriver
from storage.drivers.memory import MemoryDriver
from storage.guard import Guard
from storage.local import LocalNamespace


@pytest.fixture(params=["memory", "folder"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Guard]:
    """An empty store."""
    guard = Guard(MemoryDriver() if request.param == "memory" else FolderDriver(tmp_path / "store"))
    yield guard
    await guard.aclose()


@pytest.fixture
def namespace(store: Guard) -> LocalNamespace:
    """The registry on it."""
    return LocalNamespace(store)
