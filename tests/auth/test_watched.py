"""Files that are read again when they change."""

import logging
import os
from pathlib import Path

import pytest

from auth.errors import AuthMisconfigured
from auth.policy import Policy
from auth.users import read_users
from auth.watched import Watched
from tests.parts.clock import Clock


def read(path: Path) -> str:
    try:
        text = path.read_text()
    except OSError as error:
        raise AuthMisconfigured(f"{path} cannot be read: {error.strerror}") from error
    if "broken" in text:
        raise AuthMisconfigured(f"{path} is broken")
    return text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(file: Path, clock: Clock) -> Watched[str]:
    return Watched(file, read, clock=clock)


async def test_it_is_looked_at_once_a_second(watched: Watched[str], file: Path, clock: Clock) -> None:
    assert watched.value == "one"
    file.write_text("two")
    clock.now += 0.9
    assert await watched.current() == "one"
    clock.now += 0.2
    assert await watched.current() == "two"
    assert watched.value == "two"


async def test_a_change_that_keeps_size_and_time_is_seen(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.watched._TICK", -1e9)
    watched = Watched(file, read, clock=clock)
    status = file.stat()
    file.write_text("uno")
    while file.stat().st_ctime_ns == status.st_ctime_ns:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    clock.now += 2
    assert await watched.current() == "uno"


async def test_it_is_not_read_while_it_stays_the_same(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.watched._TICK", -1e9)
    times: list[Path] = []

    def count(path: Path) -> int:
        times.append(path)
        return len(times)

    watched = Watched(file, count, clock=clock)
    for _ in range(5):
        clock.now += 2
        assert await watched.current() == 1
    file.write_text("longer")
    clock.now += 2
    assert await watched.current() == 2


async def test_a_broken_change_is_said_once_and_what_was_read_holds(
    watched: Watched[str], file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file.write_text("broken")
    for _ in range(3):
        clock.now += 2
        assert await watched.current() == "one"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"what {file} said before still holds: {file} is broken" in record.getMessage()
    file.write_text("whole")
    clock.now += 2
    assert await watched.current() == "whole"
    assert "can be used again" in caplog.records[-1].getMessage()


async def test_a_file_that_goes_and_comes_back(
    watched: Watched[str], file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    kept = file.rename(file.with_name("aside"))
    for _ in range(2):
        clock.now += 2
        assert await watched.current() == "one"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert f"{file} cannot be read: No such file or directory" in caplog.text
    kept.rename(file)
    clock.now += 2
    assert await watched.current() == "one"


@pytest.mark.parametrize("reader", [Policy.read, read_users])
async def test_at_start_a_broken_file_is_an_error_and_later_it_is_not(
    reader: object, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(reader)
    good = {
        Policy.read: '[[rule]]\nwho = ["alice"]\nrepositories = ["a"]\nactions = ["pull"]\n',
        read_users: "# nobody yet\n",
    }[reader]
    path = tmp_path / "file"
    for content in (None, b"not = = anything", b"\xff\xfe"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(AuthMisconfigured, match=str(path)):
            Watched(path, reader, clock=clock)
    path.write_text(good)
    watched = Watched(path, reader, clock=clock)
    first = watched.value
    path.write_bytes(b"not = = anything")
    clock.now += 2
    assert await watched.current() is first
    assert [record.levelname for record in caplog.records] == ["ERROR"]
