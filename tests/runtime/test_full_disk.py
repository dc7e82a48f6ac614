"""A disk that is full: what runs goes on, what cannot be started leaves nothing, and all is told in one sentence."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.images import busybox, push
from tests.parts.process import output
from tests.parts.required import require_root
from tests.parts.server import Server
from tests.runtime.conftest import Preg

_PAGE = os.sysconf("SC_PAGESIZE")


class Disk:
    """A small disk, and a host that keeps everything on it."""

    def __init__(self, folder: Path) -> None:
        self.host = Preg(folder / "home")
        self._filling = folder / "filling"

    def fill(self, *, but: int = 0) -> None:
        """Leave so many pages free, but for what is there."""
        self.clear()
        with self._filling.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(_PAGE))
        os.truncate(self._filling, self._filling.stat().st_size // _PAGE * _PAGE - but * _PAGE)

    def clear(self) -> None:
        """Make room again."""
        self._filling.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path, runnable: str) -> Iterator[Disk]:
    require_root()
    folder = tmp_path / "disk"
    folder.mkdir()
    output("mount", "-t", "tmpfs", "-o", "size=8m", "preg-test", str(folder))
    disk = Disk(folder)
    # What a reboot may forget is elsewhere, as it is on a real host.
    output("mount", "-t", "tmpfs", "preg-test", str(_made(disk.host.state)))
    try:
        yield disk
    finally:
        disk.clear()
        disk.host.run("rm", "--force", "one", "two")
        output("umount", str(disk.host.state))
        output("umount", str(folder))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture
def image(server: Server, disk: Disk) -> str:
    push(server, "tests/full", "1", busybox("hello"))
    name = f"{server.address}/tests/full:1"
    disk.host.ok("pull", name)
    return name


def test_what_runs_goes_on_and_its_end_is_known(disk: Disk, image: str) -> None:
    host = disk.host
    script = "trap 'exit 3' TERM; trap 'echo more' USR1; echo ready; while :; do sleep 0.02; done"
    host.ok("run", "-d", "--name", "one", "--network", "none", image, "sh", "-c", script)
    host.ok("run", "-d", "--name", "two", "--network", "none", "--restart", "always", image, "sleep", "1000")
    with subprocess.Popen(host.command("logs", "-f", "one"), env=host.environ, stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"ready\n"
        follower.kill()
    disk.fill()
    host.ok("kill", "-s", "USR1", "one")
    host.ok("restart", "-t", "0", "two")
    host.ok("stop", "one")
    assert host.ok("inspect", "-f", "State.Status,State.ExitCode", "one") == "exited\t3\n"
    assert host.ok("inspect", "-f", "State.Status", "two") == "running\n"
    host.ok("rm", "-f", "one", "two")
    assert host.ok("system", "check") == "all is well\n"


def test_what_cannot_be_started_leaves_nothing(disk: Disk, image: str) -> None:
    host, failures = disk.host, 0
    for pages in range(40):
        disk.fill(but=pages)
        done = host.run("run", "--name", "one", "--network", "none", image, "true")
        assert host.ok("system", "check") == "all is well\n", f"with {pages} pages: {done.stderr}"
        host.run("rm", "one")
        if done.returncode == 0:
            break
        failures += 1
        (sentence,) = done.stderr.splitlines()
        assert done.returncode == 125
        assert "No space left on device" in sentence
        assert str(host.home) in sentence
    else:
        pytest.fail("it did not start however much room there was")
    assert failures > 1
