"""Every driver of ours against the contract."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.drivers.folder import FolderDriver
from storage.drivers.memory import MemoryDriver
from storage.errors import NotFound, TooLarge
from storage.guard import Guard
from storage.testing import DriverContract


class TestMemory(DriverContract):
    @pytest.fixture
    async def driver(self) -> AsyncIterator[MemoryDriver]:
        driver = MemoryDriver()
        yield driver
        await driver.aclose()


class TestPrivateFolder(DriverContract):
    @pytest.fixture
    async def driver(self, tmp_path: Path) -> AsyncIterator[FolderDriver]:
        driver = FolderDriver(tmp_path / "store", mode=0o600)
        yield driver
        await driver.aclose()

    async def test_nobody_else_can_read_it(self, store: Guard, tmp_path: Path) -> None:
        await store.put("a/b", b"secret")
        async with await store.upload("begun") as upload:
            await upload.write(b"secret")
        found = [tmp_path / "store", *tmp_path.glob("store/**/*")]
        assert {path.name for path in found} >= {"store", "a", "b", ".preg~", "uploads"}
        assert [path for path in found if path.stat().st_mode & 0o077] == []


class TestFolder(DriverContract):
    @pytest.fixture
    async def driver(self, tmp_path: Path) -> AsyncIterator[FolderDriver]:
        driver = FolderDriver(tmp_path / "store")
        yield driver
        await driver.aclose()
        own = ["locks", "new", "uploads"]
        left = [path for path in tmp_path.glob("store/**/*") if path.parent.name != "locks" and path.name not in own]
        assert [path.name for path in left] == [".preg~"], "files or empty folders are left over"

    async def test_an_upload_that_is_held_is_not_purged(self, store: Guard) -> None:
        async with await store.upload("held") as upload:
            assert await store.purge_uploads(idle=-3600) == 0
            await upload.abort()

    async def test_what_another_process_writes_is_read_at_once(
        self, store: Guard, driver: FolderDriver, tmp_path: Path
    ) -> None:
        other = Guard(FolderDriver(tmp_path / "store"))
        for content in (b"one", b"two", b"three"):
            await other.put("link", content)
            # Old enough to be kept in memory by those who read it.
            os.utime(driver.local_path("link"), (1_000_000_000, 1_000_000_000))
            assert [await store.get("link", limit=10) for _ in range(2)] == [content, content]
        with pytest.raises(TooLarge):
            await store.get("link", limit=4)
        await other.delete("link")
        with pytest.raises(NotFound):
            await store.get("link", limit=10)
        await other.aclose()
