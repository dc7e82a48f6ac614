"""The executable twin of ``storage.driver``: what a driver, ours or a third party's, must pass.

Adopt it in one class; it needs pytest and pytest-asyncio in automatic mode::

    class TestMyDriver(DriverContract):
        @pytest.fixture
        async def driver(self):
            yield MyDriver(...)      # empty; each test leaves it empty, or the contract fails
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from storage.driver import Driver, ObjectInfo
from storage.errors import (
    AlreadyExists,
    Busy,
    InvalidKey,
    NotFound,
    PreconditionFailed,
    TooLarge,
)
from storage.guard import Guard

MIB = 1024 * 1024


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    """Join what a ``read`` gives."""
    return b"".join([piece async for piece in pieces])


async def names(listing: AsyncIterator[ObjectInfo]) -> list[str]:
    """Give the keys of a ``list``."""
    return [info.key async for info in listing]


def assert_same(found: ObjectInfo, written: ObjectInfo) -> None:
    """Compare two descriptions of an object; a store may tell its time of writing to the second only."""
    assert found._replace(modified=0) == written._replace(modified=0)
    assert abs(found.modified - written.modified) < 5


class DriverContract:
    """Every promise of ``storage.driver.Driver``; subclasses provide the fixture ``driver``."""

    @pytest.fixture
    async def store(self, driver: Driver) -> AsyncIterator[Guard]:
        """Guard the driver as the product does, and fail on what a test leaves behind."""
        guard = Guard(driver)
        yield guard
        for key in await names(guard.list("")):
            await guard.delete(key)
        await guard.purge_uploads(idle=-3600)
        assert await names(guard.list("")) == []

    async def test_put_then_get(self, store: Guard) -> None:
        info = await store.put("a/b", b"hello")
        assert await store.get("a/b", limit=5) == b"hello"
        assert (info.key, info.size) == ("a/b", 5)
        assert_same(await store.stat("a/b"), info)

    async def test_put_replaces_and_changes_the_etag(self, store: Guard) -> None:
        first = await store.put("k", b"one")
        second = await store.put("k", b"two")
        assert first.etag != second.etag
        await store.put("k", b"")
        assert await store.get("k", limit=0) == b""

    async def test_what_is_not_there(self, store: Guard) -> None:
        await store.put("a/b", b"x")
        for key in ("a/c", "b", "a", "a/b/c"):
            with pytest.raises(NotFound):
                await store.get(key, limit=10)
            with pytest.raises(NotFound):
                await store.stat(key)
            with pytest.raises(NotFound):
                await collect(store.read(key))

    async def test_an_object_above_the_limit(self, store: Guard) -> None:
        await store.put("k", bytes(300_000))
        with pytest.raises(TooLarge):
            await store.get("k", limit=299_999)
        assert len(await store.get("k", limit=300_000)) == 300_000

    @pytest.mark.parametrize(
        "key",
        ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/./b", "a~", "a~/b", "a b", "a\n", "ä", "x" * 256],
    )
    async def test_bad_keys(self, store: Guard, key: str) -> None:
        with pytest.raises(InvalidKey):
            await store.put(key, b"")
        with pytest.raises(InvalidKey):
            await store.get(key, limit=1)
        with pytest.raises(InvalidKey):
            await store.upload(key)

    @pytest.mark.parametrize("key", ["a", "a/b/c", "x" * 255, "a:b+c@d%2F..", "...", "~a", "a/_b/" + "f" * 128])
    async def test_good_keys(self, store: Guard, key: str) -> None:
        await store.put(key, key.encode())
        assert await store.get(key, limit=1000) == key.encode()
        assert await names(store.list("")) == [key]

    async def test_ranged_reads(self, store: Guard) -> None:
        data = bytes(range(256)) * (3 * MIB // 256) + b"tail"
        await store.put("k", data)
        assert await collect(store.read("k")) == data
        for start, stop in ((0, 1), (MIB - 1, MIB + 1), (5, 5), (len(data) - 4, None), (10, len(data) + 10)):
            assert await collect(store.read("k", start, stop)) == data[start:stop]
        assert await collect(store.read("k", len(data) + 1)) == b""
        assert all([len(piece) <= MIB async for piece in store.read("k")])

    async def test_a_read_goes_on_when_the_object_goes(self, store: Guard) -> None:
        data = b"1" * (3 * MIB)
        await store.put("k", data)
        pieces = store.read("k")
        first = await anext(pieces)
        await store.put("k", b"2")
        await store.delete("k")
        assert first + await collect(pieces) == data

    async def test_delete_is_idempotent(self, store: Guard) -> None:
        await store.put("a/b/c", b"")
        await store.delete("a/b/c")
        await store.delete("a/b/c")
        await store.delete("never/was")
        assert await names(store.list("")) == []

    async def test_put_if_absent(self, store: Guard) -> None:
        await store.put("k", b"1", if_absent=True)
        with pytest.raises(AlreadyExists):
            await store.put("k", b"2", if_absent=True)
        assert await store.get("k", limit=1) == b"1"

    async def test_put_if_match(self, store: Guard) -> None:
        with pytest.raises(PreconditionFailed):
            await store.put("k", b"", if_match="x")
        first = await store.put("k", b"1")
        second = await store.put("k", b"2", if_match=first.etag)
        with pytest.raises(PreconditionFailed):
            await store.put("k", b"3", if_match=first.etag)
        assert_same(await store.stat("k"), second)

    async def test_of_many_conditional_puts_one_wins(self, store: Guard) -> None:
        base = await store.put("k", b"")

        async def attempt(number: int) -> bool:
            try:
                await store.put("k", str(number).encode(), if_match=base.etag)
            except PreconditionFailed:
                return False
            return True

        won = await asyncio.gather(*(attempt(number) for number in range(20)))
        assert won.count(True) == 1
        assert await store.get("k", limit=10) == str(won.index(True)).encode()

    async def test_of_many_first_puts_one_wins(self, store: Guard) -> None:
        async def attempt(number: int) -> bool:
            try:
                await store.put("k", str(number).encode(), if_absent=True)
            except AlreadyExists:
                return False
            return True

        won = await asyncio.gather(*(attempt(number) for number in range(20)))
        assert won.count(True) == 1

    async def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(self, store: Guard) -> None:
        async def churn(number: int) -> None:
            for _ in range(10):
                await store.put(f"a/b/{number}", b"x")
                await store.delete(f"a/b/{number}")

        await asyncio.gather(*(churn(number) for number in range(8)))
        assert await names(store.list("")) == []

    async def test_list_is_in_key_order(self, store: Guard) -> None:
        keys = ["a-b/x", "a.b/x", "a/w", "a/x.y/z", "a/x/z", "a0", "ab/x", "b"]
        for key in reversed(keys):
            await store.put(key, b"")
        assert await names(store.list("")) == keys
        for after in ["", "a", "a/", "a/x", "a/x/", "a/x/z", "a-", "a.b/x", "ab", "zz", *keys]:
            assert await names(store.list("", start_after=after)) == [key for key in keys if key > after]
        assert await names(store.list("a/", start_after="a/x.y/z")) == ["a/x/z"]
        assert await names(store.list("nothing/")) == []

    async def test_list_over_many_keys(self, store: Guard) -> None:
        keys = sorted(f"{number % 7}/{number:04}" for number in range(1100))
        await asyncio.gather(*(store.put(key, b"") for key in keys))
        assert await names(store.list("")) == keys
        assert await names(store.list("", start_after=keys[549])) == keys[550:]

    async def test_list_describes(self, store: Guard) -> None:
        info = await store.put("a/k", b"12345")
        (found,) = [found async for found in store.list("a/")]
        assert_same(found, info)

    async def test_children(self, store: Guard) -> None:
        for key in ("r/a-b/x", "r/a/x", "r/a.b", "r/c", "s"):
            await store.put(key, b"")
        assert [name async for name in store.children("r/")] == ["a/", "a-b/", "a.b", "c"]
        assert [name async for name in store.children("r/", start_after="a")] == ["a-b/", "a.b", "c"]
        assert [name async for name in store.children("r/", start_after="a-b")] == ["a.b", "c"]
        assert [name async for name in store.children("r/", start_after="a0")] == ["c"]
        assert [name async for name in store.children("")] == ["r/", "s"]

    async def test_what_is_held_below_a_prefix(self, store: Guard) -> None:
        """Right after the last object is gone, too, when a store may still name the folders it lay in."""
        for key in ("r/a-b/x", "r/a/b/c/x"):
            await store.put(key, b"")
        assert [await store.holds(prefix) for prefix in ("", "r/", "r/a/", "r/a/b/c/")] == [True] * 4
        assert [await store.holds(prefix) for prefix in ("a/", "r/b/", "r/a/b/c/x/", "r/a-/")] == [False] * 4
        async with await store.upload("r/a/b/c/u") as upload:
            await upload.write(b"x")
        await store.delete("r/a/b/c/x")
        assert [await store.holds(prefix) for prefix in ("", "r/", "r/a/", "r/a/b/c/")] == [True, True, False, False]
        await store.delete("r/a-b/x")
        assert not await store.holds("")

    async def test_bad_prefixes(self, store: Guard) -> None:
        for prefix in ("a", "/", "../", "a//"):
            with pytest.raises(InvalidKey):
                await names(store.list(prefix))
            with pytest.raises(InvalidKey):
                await store.holds(prefix)

    async def test_upload(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            assert upload.offset == 0
            await upload.write(b"one")
            await upload.write(b"two")
            assert upload.offset == 6
            with pytest.raises(NotFound):
                await store.stat("to/here")
            info = await upload.commit("to/here")
        assert_same(await store.stat("to/here"), info)
        assert await store.get("to/here", limit=6) == b"onetwo"
        with pytest.raises(NotFound):
            await store.upload("u", resume=True)

    async def test_large_upload(self, store: Guard) -> None:
        piece = bytes(range(256)) * 1024
        async with await store.upload("u") as upload:
            for _ in range(37):
                await upload.write(piece)
            await upload.commit("k")
        assert await collect(store.read("k")) == piece * 37

    async def test_an_upload_is_no_object(self, store: Guard) -> None:
        async with await store.upload("u/data") as upload:
            await upload.write(b"x")
        assert await names(store.list("")) == []
        with pytest.raises(NotFound):
            await store.stat("u/data")

    async def test_suspend_and_resume(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            await upload.write(b"one")
            upload.note = b"first"
        async with await store.upload("u", resume=True) as upload:
            assert (upload.offset, upload.note) == (3, b"first")
            await upload.write(b"two")
            await upload.commit("k")
        assert await store.get("k", limit=6) == b"onetwo"

    async def test_an_error_suspends(self, store: Guard) -> None:
        async def fail() -> None:
            async with await store.upload("u") as upload:
                await upload.write(b"kept")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with await store.upload("u", resume=True) as upload:
            assert upload.offset == 4

    async def test_rollback(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            await upload.write(b"kept")
            upload.note = b"kept"
        async with await store.upload("u", resume=True) as upload:
            await upload.write(b"x" * (3 * MIB))
            upload.note = b"lost"
            await upload.rollback()
            assert (upload.offset, upload.note) == (4, b"kept")
            await upload.write(b"!")
        async with await store.upload("u", resume=True) as upload:
            assert (upload.offset, upload.note) == (5, b"kept")
            await upload.commit("k")
        assert await store.get("k", limit=5) == b"kept!"

    @pytest.mark.parametrize("before", [0, 10, 6 * MIB])
    @pytest.mark.parametrize("more", [10, 11 * MIB])
    async def test_rollback_of_what_is_durable(self, store: Guard, before: int, more: int) -> None:
        kept = b"k" * before
        async with await store.upload("u") as upload:
            await upload.write(kept)
            upload.note = b"kept"
        async with await store.upload("u", resume=True) as upload:
            await upload.write(b"x" * more)
            upload.note = b"lost"
            await upload.suspend()
            assert upload.offset == before + more
            await upload.rollback()
            assert (upload.offset, upload.note) == (before, b"kept")
        async with await store.upload("u", resume=True) as upload:
            assert (upload.offset, upload.note) == (before, b"kept")
            await upload.write(b"!" * more)
            await upload.commit("k")
        assert await collect(store.read("k")) == kept + b"!" * more

    async def test_an_upload_goes_on_after_it_was_made_durable(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            for piece in (b"a", b"b" * 6 * MIB, b"c"):
                await upload.write(piece)
                await upload.suspend()
            upload.note = b"noted"
        async with await store.upload("u", resume=True) as upload:
            assert (upload.offset, upload.note) == (6 * MIB + 2, b"noted")
            await upload.suspend()
            await upload.commit("k")
        assert await collect(store.read("k")) == b"a" + b"b" * 6 * MIB + b"c"

    async def test_read_of_an_upload(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            await upload.write(b"x" * (2 * MIB))
            await upload.write(b"y")
            assert await collect(upload.read()) == b"x" * (2 * MIB) + b"y"
            await upload.commit("k")
        assert (await store.stat("k")).size == 2 * MIB + 1

    async def test_abort(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            await upload.write(b"x")
            await upload.abort()
            await upload.abort()
        with pytest.raises(NotFound):
            await store.upload("u", resume=True)

    async def test_one_holder_at_a_time(self, store: Guard) -> None:
        async with await store.upload("u"):
            pass
        first = await store.upload("u", resume=True)
        refused = 0
        try:
            async with await store.upload("u", resume=True) as second:
                await second.write(b"second")
        except Busy:
            refused += 1
        try:
            async with first:
                await first.write(b"first")
        except Busy:
            refused += 1
        assert refused == 1
        async with await store.upload("u", resume=True) as upload:
            assert await collect(upload.read()) in (b"first", b"second")
            await upload.abort()

    async def test_a_new_upload_of_the_same_name_begins_empty(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            await upload.write(b"old")
            upload.note = b"old"
        async with await store.upload("u") as upload:
            assert (upload.offset, upload.note) == (0, b"")

    async def test_an_empty_upload(self, store: Guard) -> None:
        async with await store.upload("u") as upload:
            await upload.commit("k")
        assert await store.get("k", limit=0) == b""

    async def test_commit_replaces(self, store: Guard) -> None:
        await store.put("k", b"corrupt")
        async with await store.upload("u") as upload:
            await upload.write(b"right")
            await upload.commit("k")
        assert await store.get("k", limit=9) == b"right"

    async def test_many_uploads_of_one_object(self, store: Guard) -> None:
        async def push(number: int) -> None:
            async with await store.upload(f"u/{number}") as upload:
                await upload.write(b"same")
                await upload.commit("a/b/k")

        await asyncio.gather(*(push(number) for number in range(10)))
        assert await store.get("a/b/k", limit=4) == b"same"

    async def test_purge(self, store: Guard) -> None:
        async with await store.upload("idle") as upload:
            await upload.write(b"x")
        assert await store.purge_uploads(idle=3600) == 0
        assert await store.purge_uploads(idle=-3600) == 1
        with pytest.raises(NotFound):
            await store.upload("idle", resume=True)
