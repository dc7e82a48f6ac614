"""Locks between processes."""

import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from storage import lock
from storage.drivers.folder import FolderDriver
from storage.errors import StorageUnavailable
from storage.guard import Guard
from storage.lock import alone, locked
from storage.plugins import open_driver

ADD = """
import sys
from storage.lock import alone
for _ in range(100):
    with alone(sys.argv[1] + ".lock"):
        number = int(open(sys.argv[1]).read())
        open(sys.argv[1], "w").write(str(number + 1))
"""


def held(path: Path) -> int:
    """A lock that another process could have; closing gives it back."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def test_nobody_else_can_open_what_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    for context in (locked, alone):
        with context(str(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = held(path)
    done = threading.Event()

    def wait() -> None:
        with locked(str(path)):
            done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not done.is_set()
    os.close(other)
    thread.join()
    assert done.is_set()


def test_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_LIMIT", 0.1)
    path = tmp_path / "lock"
    other = held(path)
    for context in (locked, alone):
        said = f"{path} has been locked for 0 seconds: `lslocks` names"
        with pytest.raises(TimeoutError, match=said), context(str(path)):
            pass
    os.close(other)


def test_processes_that_remove_the_file_keep_each_other_out_all_the_same(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    adding = [subprocess.Popen([sys.executable, "-c", ADD, str(counter)]) for _ in range(3)]
    assert [each.wait() for each in adding] == [0, 0, 0]
    assert counter.read_text() == "300"
    assert list(tmp_path.iterdir()) == [counter]


async def test_a_write_to_a_folder_that_is_locked_ends_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_LIMIT", 0.1)
    store = Guard(FolderDriver(tmp_path / "store"))
    await store.put("a/b", b"1")
    (path,) = (tmp_path / "store/.preg~/locks").iterdir()
    other = held(path)
    with pytest.raises(StorageUnavailable, match=f"{path} has been locked"):
        await store.put("a/b", b"2", if_absent=True)
    os.close(other)
    await store.put("a/b", b"2")
    await store.aclose()


@pytest.mark.parametrize("mode", [0o644, 0o600])
async def test_what_a_folder_keeps_for_itself_is_closed_to_others(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "store"
    own = folder / ".preg~"
    for part in ("new", "uploads", "locks"):
        # As an earlier version made it.
        (own / part).mkdir(parents=True, mode=0o755)
    store = Guard(FolderDriver(folder, mode=mode))
    await store.put("a/b", b"1")
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "a/b").stat().st_mode) == mode
    assert {stat.S_IMODE(path.stat().st_mode) for path in (own / "locks").iterdir()} == {0o600}
    await store.aclose()


def test_a_folder_of_another_user_that_is_open_to_others_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".preg~/locks").mkdir(parents=True, mode=0o755)

    def refuse(_path: str, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    # Root may change the mode of anybody's folder, and the tests may run as root.
    monkeypatch.setattr("storage.drivers.folder.os.chmod", refuse)
    with pytest.raises(StorageUnavailable, match="is another user's and open to others: run as that user"):
        open_driver(str(tmp_path))


async def test_a_folder_that_is_made_can_be_read_by_others_but_for_that(tmp_path: Path) -> None:
    store = FolderDriver(tmp_path / "deep/store")
    assert stat.S_IMODE((tmp_path / "deep/store").stat().st_mode) & 0o055 == 0o055 & ~umask()
    assert stat.S_IMODE((tmp_path / "deep/store/.preg~").stat().st_mode) == 0o700
    await store.aclose()


def umask() -> int:
    """The umask of this process."""
    now = os.umask(0)
    os.umask(now)
    return now
