"""The guard: what a driver raises, and what comes out. The driver is a made one: no real one fails on demand."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NoReturn, Self

import pytest

from storage.driver import Upload
from storage.drivers.folder import FolderDriver
from storage.drivers.memory import MemoryDriver
from storage.errors import (
    AlreadyExists,
    Busy,
    InvalidKey,
    NotFound,
    PreconditionFailed,
    StorageError,
    StorageFull,
    StorageUnavailable,
    TooLarge,
)
from storage.guard import Guard


class Failing:
    """Raises one error from whatever is called; what is iterated gives one piece first."""

    name = "failing"
    offset = 0
    note = b""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def call(self, *_: object, **__: object) -> NoReturn:
        raise self._error

    async def iterate(self, *_: object, **__: object) -> AsyncIterator[bytes]:
        yield b""
        raise self._error

    async def __aenter__(self) -> Self:
        return self

    stat = get = put = delete = purge_uploads = write = rollback = commit = abort = __aexit__ = call
    read = list = children = iterate


class FailingDriver(Failing):
    """Gives uploads, and fails at everything else; its uploads fail, too."""

    async def upload(self, key: str, /, *, resume: bool = False) -> Failing:
        return await self.call(key) if resume else Failing(self._error)


FOREIGN = [
    (OSError(errno.ENOSPC, "no space"), StorageFull),
    (OSError(errno.EDQUOT, "quota"), StorageFull),
    (FileNotFoundError(errno.ENOENT, "gone"), NotFound),
    (NotADirectoryError(errno.ENOTDIR, "a file"), NotFound),
    (IsADirectoryError(errno.EISDIR, "a folder"), NotFound),
    (FileExistsError(errno.EEXIST, "there"), AlreadyExists),
    (BlockingIOError(errno.EAGAIN, "locked"), Busy),
    (PermissionError(errno.EACCES, "no"), StorageUnavailable),
    (OSError(errno.EIO, "broken"), StorageUnavailable),
    (OSError(errno.EROFS, "read-only"), StorageUnavailable),
    (TimeoutError("late"), StorageUnavailable),
    (ConnectionResetError("cut"), StorageUnavailable),
    (OSError("without a number"), StorageUnavailable),
]
OURS = [kind("why") for kind in (NotFound, AlreadyExists, PreconditionFailed, TooLarge, Busy, StorageFull)]


async def drain(pieces: AsyncIterator[object]) -> None:
    async for _ in pieces:
        pass


async def in_upload(guard: Guard, step: Callable[[Upload], Awaitable[object]]) -> None:
    async with await guard.upload("a/key") as upload:
        await step(upload)


CALLS: dict[str, Callable[[Guard], Awaitable[object]]] = {
    "stat": lambda guard: guard.stat("a/key"),
    "get": lambda guard: guard.get("a/key", limit=1),
    "put": lambda guard: guard.put("a/key", b""),
    "delete": lambda guard: guard.delete("a/key"),
    "purge": lambda guard: guard.purge_uploads(idle=1),
    "resume": lambda guard: guard.upload("a/key", resume=True),
    "in the middle of a read": lambda guard: drain(guard.read("a/key")),
    "in the middle of a list": lambda guard: drain(guard.list("a/key/")),
    "in the middle of children": lambda guard: drain(guard.children("a/key/")),
    "write": lambda guard: in_upload(guard, lambda upload: upload.write(b"x")),
    "rollback": lambda guard: in_upload(guard, lambda upload: upload.rollback()),
    "commit": lambda guard: in_upload(guard, lambda upload: upload.commit("a/key")),
    "abort": lambda guard: in_upload(guard, lambda upload: upload.abort()),
    "read of an upload": lambda guard: in_upload(guard, lambda upload: drain(upload.read())),
    "leaving an upload": lambda guard: in_upload(guard, lambda _: asyncio.sleep(0)),
}


@pytest.mark.parametrize("step", CALLS)
@pytest.mark.parametrize(("error", "expected"), FOREIGN, ids=lambda value: getattr(value, "__name__", repr(value)))
async def test_foreign_errors_are_translated(step: str, error: OSError, expected: type[StorageError]) -> None:
    with pytest.raises(StorageError) as caught:
        await CALLS[step](Guard(FailingDriver(error)))
    assert type(caught.value) is expected
    assert caught.value.driver == "failing"
    assert caught.value.key.startswith("a/key") == (step != "purge")
    assert (error.strerror or str(error)) in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("step", CALLS)
@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
async def test_our_own_errors_pass_and_say_where(step: str, error: StorageError) -> None:
    fresh = type(error)("why")
    with pytest.raises(type(error)) as caught:
        await CALLS[step](Guard(FailingDriver(fresh)))
    assert caught.value is fresh
    assert caught.value.driver == "failing"
    assert "why" in str(caught.value)


async def test_what_is_no_fault_of_the_storage_is_left_alone() -> None:
    with pytest.raises(ZeroDivisionError):
        await Guard(FailingDriver(ZeroDivisionError())).stat("k")


async def test_an_error_that_names_its_key_keeps_it() -> None:
    with pytest.raises(NotFound) as caught:
        await Guard(FailingDriver(NotFound("why", key="other", driver="inner"))).stat("k")
    assert (caught.value.key, caught.value.driver) == ("other", "inner")
    assert str(caught.value) == "inner 'other': why"


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "../a", "a/../b", "a~", "x" * 256, "/".join(["abc"] * 300), "a\x7f", "\udcff"]
)
async def test_a_bad_key_never_reaches_the_driver(key: str) -> None:
    guard = Guard(FailingDriver(ZeroDivisionError()))
    for call in (guard.stat(key), guard.put(key, b""), guard.delete(key), guard.get(key, limit=1), guard.upload(key)):
        with pytest.raises(InvalidKey):
            await call
    async with await Guard(MemoryDriver()).upload("u") as upload:
        with pytest.raises(InvalidKey):
            await upload.commit(key)


async def test_only_a_driver_of_files_has_paths(tmp_path: Path) -> None:
    assert Guard(MemoryDriver()).local_path("a/b") is None
    guard = Guard(FolderDriver(tmp_path))
    await guard.put("a/b", b"content")
    path = guard.local_path("a/b")
    assert path is not None
    assert path.read_bytes() == b"content"
    await guard.aclose()
