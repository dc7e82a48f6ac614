"""Locks on directories: that a long wait is told of."""

import os
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime import lock as locks
from runtime.lock import holding, lock
from tests.runtime.conftest import Preg


class Screen:
    """Standard error; what is said there lets somebody give a lock back."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.said = ""

    def write(self, text: str) -> None:
        self.said += text
        os.close(self.held)


@pytest.mark.parametrize("way", ["lock", "shared", "holding"])
def test_a_long_wait_for_another_command_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(locks, "_PATIENCE", 0.1)
    other = lock(tmp_path)
    assert other is not None
    screen = Screen(other)
    monkeypatch.setattr(sys, "stderr", screen)
    if way == "holding":
        with holding(tmp_path):
            pass
    else:
        held = lock(tmp_path, wait=True, shared=way == "shared")
        assert held is not None
        os.close(held)
    assert screen.said == f"preg: waiting for process {os.getpid()}, which has locked {tmp_path}\n"


def test_a_short_wait_and_one_in_a_thread_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = lock(tmp_path)
    assert other is not None
    got: list[int | None] = []
    thread = threading.Thread(target=lambda: got.append(lock(tmp_path, wait=True)))
    thread.start()
    assert got == []
    os.close(other)
    thread.join()
    (held,) = got
    assert held is not None
    os.close(held)
    assert capsys.readouterr().err == ""


def test_others_can_open_nothing_that_is_locked(
    host: Preg, image: str, runnable: str, names: Callable[[], str]
) -> None:
    name = names()
    host.ok("network", "create", name)
    volume = ("--volume", f"{name}:/v")
    host.ok(
        "run", "--detach", "--name", name, "--network", name, *volume, "--runtime", runnable, image, "sleep", "1000"
    )
    home, state = Path(host.environ["PREG_HOME"]), Path(host.environ["PREG_STATE"])
    found = [home / "names", home / "images", home / "events", state / "networks"]
    for folder in (home / "volumes", home / "containers", home / "layers", state / "containers", state / "networks"):
        found += [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    assert [path for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    host.ok("rm", "--force", "--volumes", name)
    host.ok("network", "rm", name)
