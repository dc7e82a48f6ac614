"""What authentication keeps, in a folder and in another store."""

import asyncio
from pathlib import Path

import pytest

from auth.errors import AuthUnavailable
from registry.state import StoredState, open_state
from storage.errors import StorageError
from storage.guard import Guard
from storage.plugins import open_driver

both = pytest.mark.parametrize("store", ["folder", "memory"], indirect=True)


@pytest.fixture
def state(store: Guard) -> StoredState:
    return open_state(store)


@both
async def test_documents(state: StoredState) -> None:
    assert await state.get("a/b") is None
    await state.put("a/b", b"one")
    await state.put("a/b", b"two")
    assert await state.get("a/b") == b"two"
    await state.delete("a/b")
    await state.delete("a/b")
    assert await state.get("a/b") is None


@both
async def test_of_many_who_create_a_document_one_does(state: StoredState, store: Guard) -> None:
    states = [state, open_state(store)] * 5
    made = await asyncio.gather(
        *(each.create("signing/2026-11", str(number).encode()) for number, each in enumerate(states))
    )
    assert made.count(True) == 1
    assert await state.get("signing/2026-11") == str(made.index(True)).encode()


@both
async def test_names_are_in_order_and_direct(state: StoredState) -> None:
    for key in ("keys/b", "keys/a", "keys/c/d", "keys-used/x"):
        await state.put(key, b"")
    assert [name async for name in state.names("keys/")] == ["a", "b"]
    assert [name async for name in state.names("nothing/")] == []


@both
async def test_another_process_sees_it_at_once(state: StoredState, store: Guard) -> None:
    other = open_state(store)
    for content in (b"one", b"two"):
        await state.put("a/b", content)
        assert await other.get("a/b") == content


@both
async def test_it_lies_beside_what_is_served(state: StoredState, store: Guard) -> None:
    await state.put("a/b", b"secret")
    assert await store.get("preg/auth/a/b", limit=10) == b"secret"


async def test_in_a_folder_nobody_else_can_read_it(state: StoredState, tmp_path: Path) -> None:
    await state.put("signing/key", b"secret")
    await state.create("keys/a", b"secret")
    folder = tmp_path / "store/preg/auth"
    found = [folder, *folder.rglob("*")]
    assert {path.name for path in found} >= {"auth", "signing", "key", "keys", "a"}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}


async def test_a_store_that_cannot_be_reached(tmp_path: Path) -> None:
    state = open_state(open_driver(str(tmp_path / "store")))
    folder = tmp_path / "store/preg/auth"
    (folder / "a").write_text("in the way")
    with pytest.raises(AuthUnavailable, match="what authentication keeps cannot be reached: folder 'a/b'"):
        await state.put("a/b", b"")
    await state.aclose()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    store = open_driver(str(tmp_path / "store"))
    (tmp_path / "store/preg").write_text("in the way")
    with pytest.raises(StorageError, match=r"store/preg/auth cannot be used: Not a directory"):
        open_state(store)
