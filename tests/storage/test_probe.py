"""What the probe finds out about a store, and what it leaves there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.driver import ObjectInfo
from storage.drivers.folder import FolderDriver
from storage.drivers.memory import MemoryDriver
from storage.errors import StorageUnavailable
from storage.guard import Guard
from storage.probe import Finding, Outcome, probe

STEPS = ["write", "read", "list", "conditions", "delete", "clock"]


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Guard]:
    guard = Guard(FolderDriver(tmp_path))
    yield guard
    await guard.aclose()


async def keys(store: Guard) -> list[str]:
    return [info.key async for info in store.list("")]


async def problems(driver: MemoryDriver) -> list[Finding]:
    """What is wrong with a driver; all the other steps must have been taken and found right."""
    findings = await probe(Guard(driver))
    assert [finding.step for finding in findings] == STEPS
    return [finding for finding in findings if finding.outcome is not Outcome.OK]


async def test_a_store_on_which_all_is_well(folder: Guard) -> None:
    assert await probe(folder) == [Finding(step) for step in STEPS]
    assert await keys(folder) == []


async def test_many_at_once(folder: Guard) -> None:
    assert await asyncio.gather(*(probe(folder) for _ in range(8))) == [[Finding(step) for step in STEPS]] * 8
    assert await keys(folder) == []


async def test_no_content_is_touched(folder: Guard) -> None:
    await folder.put("docker/registry/v2/blobs/data", b"content")
    await probe(folder)
    assert await keys(folder) == ["docker/registry/v2/blobs/data"]


class Failing(MemoryDriver):
    """A store that refuses the calls of some names."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = refused

    def check(self, name: str) -> None:
        if name in self.refused:
            raise PermissionError(1, f"{name} is not allowed")

    async def put(
        self, key: str, data: bytes, /, *, if_match: str | None = None, if_absent: bool = False
    ) -> ObjectInfo:
        self.check("put")
        return await super().put(key, data, if_match=if_match, if_absent=if_absent)

    async def get(self, key: str, /, *, limit: int) -> bytes:
        self.check("get")
        return await super().get(key, limit=limit)

    async def list(self, prefix: str, /, *, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        self.check("list")
        async for info in super().list(prefix, start_after=start_after):
            yield info

    async def delete(self, key: str, /) -> None:
        self.check("delete")
        await super().delete(key)


async def test_what_is_refused_is_named_and_the_rest_is_tried_all_the_same() -> None:
    assert await problems(Failing("get")) == [Finding("read", Outcome.FAILED, "get is not allowed")]
    assert await problems(Failing("delete")) == [Finding("delete", Outcome.FAILED, "delete is not allowed")]
    assert await problems(Failing("list")) == [Finding("list", Outcome.FAILED, "list is not allowed")]
    refused = await problems(Failing("get", "list", "delete"))
    assert [finding.step for finding in refused] == ["read", "list", "delete"]


async def test_a_store_that_cannot_be_written_to_is_asked_no_more() -> None:
    findings = await probe(Guard(Failing("put", "get", "list", "delete")))
    assert findings == [Finding("write", Outcome.FAILED, "put is not allowed")]


class Careless(MemoryDriver):
    """A store that takes no notice of one kind of condition, as several S3 servers do; none of those is at hand."""

    def __init__(self, ignored: str) -> None:
        super().__init__()
        self._ignored = ignored

    async def put(
        self, key: str, data: bytes, /, *, if_match: str | None = None, if_absent: bool = False
    ) -> ObjectInfo:
        if self._ignored == "If-Match":
            return await super().put(key, data, if_absent=if_absent)
        return await super().put(key, data, if_match=if_match)


@pytest.mark.parametrize("ignored", ["If-None-Match", "If-Match"])
async def test_conditions_that_are_ignored_are_a_warning(ignored: str) -> None:
    (finding,) = await problems(Careless(ignored))
    assert (finding.step, finding.outcome) == ("conditions", Outcome.WARNING)
    assert f"ignores {ignored}:" in finding.reason


class Displaced(MemoryDriver):
    """A store whose clock goes ahead of ours by some seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def publish(self, key: str, data: bytes) -> ObjectInfo:
        info = super().publish(key, data)
        return info._replace(modified=info.modified + self._seconds)


@pytest.mark.parametrize(("seconds", "direction"), [(600, "behind"), (-600, "ahead of")])
async def test_clocks_that_differ(seconds: float, direction: str) -> None:
    (finding,) = await problems(Displaced(seconds))
    assert (finding.step, finding.outcome) == ("clock", Outcome.WARNING)
    assert f"this host's clock is 600 s {direction} the storage's" in finding.reason


@pytest.mark.parametrize("seconds", [30, -30])
async def test_clocks_that_differ_little(seconds: float) -> None:
    assert await problems(Displaced(seconds)) == []


class Forgetful(MemoryDriver):
    """A store that gives other bytes than it was given, and deletes nothing."""

    async def get(self, key: str, /, *, limit: int) -> bytes:
        return (await super().get(key, limit=limit))[::-1]

    async def delete(self, key: str, /) -> None:
        pass


async def test_a_store_that_pretends() -> None:
    assert [finding.step for finding in await problems(Forgetful())] == ["read", "delete"]


class Empty(MemoryDriver):
    """A store whose listings show nothing."""

    async def list(self, prefix: str, /, *, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        async for info in super().list(f"{prefix}elsewhere/", start_after=start_after):
            yield info


async def test_a_listing_that_shows_nothing() -> None:
    assert [finding.step for finding in await problems(Empty())] == ["list"]


class Interrupted(MemoryDriver):
    """A store at which a probe waits for ever once it has written, and may be cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = asyncio.Event()

    async def get(self, key: str, /, *, limit: int) -> bytes:
        self.reading.set()
        await asyncio.Event().wait()
        return await super().get(key, limit=limit)


async def test_a_probe_that_is_cancelled_cleans_up() -> None:
    driver = Interrupted()
    probing = asyncio.create_task(probe(Guard(driver)))
    await driver.reading.wait()
    assert len(await keys(Guard(driver))) == 1
    probing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probing
    assert await keys(Guard(driver)) == []


class Aged(MemoryDriver):
    """A store on which what a killed probe wrote is ``age`` seconds old."""

    def __init__(self, age: float) -> None:
        super().__init__()
        info = self.publish("preg/v1/probe/left-behind", b"")
        self._objects[info.key] = (info._replace(modified=info.modified - age), b"")


async def test_what_a_killed_probe_left_goes_with_the_next() -> None:
    old, young = Aged(7200), Aged(60)
    assert await problems(old) == await problems(young) == []
    assert await keys(Guard(old)) == []
    assert await keys(Guard(young)) == ["preg/v1/probe/left-behind"], "it may be in use"


async def test_the_reason_leaves_the_key_out() -> None:
    """It is the probe's own, and says nothing to who reads it."""
    with pytest.raises(StorageUnavailable) as caught:
        await Guard(Failing("put")).put("key", b"")
    assert str(caught.value) == "memory 'key': put is not allowed"
    assert caught.value.detail == "put is not allowed"
