"""Many containers at once, and preg killed at any moment: nothing may be left of either."""

import contextlib
import os
import random
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts import cgroups
from tests.parts.images import busybox, push
from tests.parts.mounts import unmount_below
from tests.parts.netns import Netns, netns
from tests.parts.process import PATIENCE, kill, parent
from tests.parts.required import require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg

CONTAINERS, AT_ONCE = 1000, 50
#: How many commands are killed, and the latest moment, in seconds; most starts are over by then.
KILLED, LATEST = 60, 0.5


@dataclass(frozen=True)
class Host(Preg):
    """A host with a network of its own, so that what is left in it is ours."""

    network: Netns

    def command(self, *arguments: str) -> list[str]:
        return self.network.command(*super().command(*arguments))

    def traces(self) -> dict[str, object]:
        """All that a container could leave."""
        identifiers = {path.name for path in cgroups.of_preg()} & set(self.made())
        return {
            "containers": self.made(),
            "processes": list(lasting(str(self.home))),
            "names": listed(self.home / "names"),
            "half made": listed(self.home / "new"),
            "mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.home) in line],
            "interfaces": self.network.links(),
            "groups": identifiers,
            "state": listed(self.state / "containers"),
            "engine": listed(self.state / "crun"),
        }

    def made(self) -> list[str]:
        return sorted(path.name for path in self.left())


def listed(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


def lasting(home: str) -> Iterator[str]:
    """The processes that were started by a preg with this home, and do not end by themselves."""
    limit = time.monotonic() + PATIENCE
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if f"PREG_HOME={home}\0".encode() in (path / "environ").read_bytes():
                process = os.pidfd_open(int(path.name))
                if not select.select([process], [], [], max(0, limit - time.monotonic()))[0]:
                    yield (path / "cmdline").read_text(errors="replace")
                os.close(process)


@pytest.fixture(scope="module")
def image(server: Server) -> str:
    push(server, "tests/busybox", "1", busybox())
    return f"{server.address}/tests/busybox:1"


@pytest.fixture
def host(server: Server, image: str) -> Iterator[Host]:
    """A host with an image, on which there must be as much after the test as before."""
    require_root()
    required("crun")
    folder = Path(tempfile.mkdtemp(prefix="preg-"))
    with netns() as network:
        host = Host(folder / "home", network)
        Preg(host.home).ok("pull", image)
        host.ok("run", "--rm", image, "true")  # brings the network up and mounts the layers; both stay
        before = host.traces()
        yield host
        assert host.ok("ps", "-aq") == ""
        assert host.ok("system", "check") == "all is well\n"
        assert host.traces() == before
    unmount_below(folder)
    shutil.rmtree(folder)


def test_a_thousand_containers_leave_nothing(host: Host, image: str) -> None:
    def once(number: int) -> tuple[int, str, str]:
        done = host.run("run", "--rm", image, "sh", "-c", f"echo {number}; exit {number % 100}")
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(once, range(CONTAINERS)))
    assert results == [(number % 100, f"{number}\n", "") for number in range(CONTAINERS)]


def test_what_killed_commands_leave_is_repaired(host: Host, image: str) -> None:
    seed = random.randrange(2**32)
    print(f"the seed is {seed}")  # noqa: T201 - shown if the test fails
    chance = random.Random(seed)
    verbs = (
        ("run", "--rm", image, "true"),
        ("run", "-d", image, "sleep", "1000"),
        ("run", "-d", "--restart", "always", image, "false"),
        ("create", "--name", "same", image, "true"),
        ("rm", "-f", "same"),
        ("start", "same"),
        ("ps", "-a"),
    )
    lives = [(chance.choice(verbs), chance.uniform(0, LATEST)) for _ in range(KILLED)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda life: kill_after(host, *life), lives))
    repaired = host.run("system", "check", "--repair")
    assert repaired.returncode == 0, repaired
    assert host.ok("system", "check") == "all is well\n"
    host.clear()


def kill_after(host: Host, words: tuple[str, ...], seconds: float) -> None:
    """Start a command and kill it, whatever it does by then."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(host.command(*words), env=host.environ, **streams) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


def test_supervisors_that_are_killed_leave_nothing(host: Host, image: str) -> None:
    for _ in range(8):
        host.ok("run", "-d", "--rm", image, "sleep", "1000")
    pids = [int(pid) for pid in host.ok("inspect", "-f", "State.Pid", *host.ok("ps", "-q").split()).split()]
    kill(*map(parent, pids))
    assert host.run("system", "check").returncode == 1
    assert host.run("system", "check", "--repair").returncode == 0
