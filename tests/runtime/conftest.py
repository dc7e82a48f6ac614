"""preg as a person starts it, with a home of its own."""

import contextlib
import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runtime.config import DIRECTORIES, EROFS
from tests.parts.images import busybox, push
from tests.parts.mounts import unmount_below
from tests.parts.required import ROOT, require_root, required
from tests.parts.server import Server
from tests.runtime.archives import Read, make_here


@dataclass(frozen=True)
class Preg:
    """The ``preg`` command over one home directory."""

    home: Path
    layers: str = field(default="", kw_only=True)
    """How it is to keep layers; it decides by itself otherwise."""
    variables: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """What is in its environment besides."""

    @property
    def state(self) -> Path:
        """What a reboot would make it forget."""
        return self.home.with_name(f"{self.home.name}-state")

    @property
    def environ(self) -> dict[str, str]:
        # What the caller's shell has set for its own preg, docker or podman must not reach this one.
        others = ("PREG_", "DOCKER_", "REGISTRY_", "XDG_")
        proxies = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(others) and name.upper() not in proxies
        }
        mine = {
            "PREG_HOME": self.home,
            "PREG_STATE": self.state,
            "DOCKER_CONFIG": self.home / "docker",
            "XDG_RUNTIME_DIR": self.home / "run",
            "XDG_CONFIG_HOME": self.home / "config",
            "PYTHONPATH": ROOT,
            **({"PREG_LAYERS": self.layers} if self.layers else {}),
        }
        return kept | {name: str(path) for name, path in mine.items()} | dict(self.variables)

    def left(self) -> list[Path]:
        """What there is of containers, when the supervisors that still delete what one has written have done so."""
        for path in (self.home / "containers").iterdir():
            if not (path / "container.json").exists():
                with contextlib.suppress(FileNotFoundError):
                    directory = os.open(path, os.O_RDONLY)
                    fcntl.flock(directory, fcntl.LOCK_EX)
                    os.close(directory)
        return list((self.home / "containers").iterdir())

    def clear(self) -> None:
        """Remove every container, after which nothing may be left."""
        if left := self.ok("ps", "-aq").split():
            self.ok("rm", "--force", *left)
        assert self.ok("system", "check") == "all is well\n"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "runtime", *arguments]

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end; whatever the exit status, the caller looks at it."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environ,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextlib.contextmanager
    def following(self, *arguments: str) -> Iterator[Iterator[str]]:
        """A command that goes on, and the lines that it prints."""
        with subprocess.Popen(
            self.command(*arguments), env=self.environ, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            try:
                yield (line.rstrip("\n") for line in process.stdout)
            finally:
                process.kill()

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run what must succeed; its stdout."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *arguments: str, status: int = 1) -> str:
        """Run what must fail in one sentence; that sentence."""
        done = self.run(*arguments)
        assert done.returncode == status, f"{arguments} gave {done.returncode}\n{done.stdout}{done.stderr}"
        (line,) = done.stderr.splitlines()
        assert line.startswith("preg: ")
        return line.removeprefix("preg: ")


class Made:
    """Makes layers in one of the ways to keep them; each is then at ``layer/root`` in the test's directory."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.mode = mode
        self._folder = folder

    def __call__(self, archive: bytes, name: str = "layer") -> Read:
        return make_here(archive, self._folder / name, self.mode)


@pytest.fixture(params=[DIRECTORIES, EROFS])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """What makes layers, in each of the ways."""
    if request.param == EROFS:
        require_root()
    yield Made(tmp_path, request.param)
    unmount_below(tmp_path)


@pytest.fixture
def preg(tmp_path: Path) -> Preg:
    """preg without images."""
    return Preg(tmp_path / "home")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Preg:
    """A host whose images the tests of a file share."""
    return Preg(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def image(server: Server, host: Preg) -> str:
    """The name of an image with a shell, on the host."""
    push(server, "tests/busybox", "1", busybox("hello"))
    name = f"{server.address}/tests/busybox:1"
    host.ok("pull", name)
    return name


@pytest.fixture(scope="module")
def runnable() -> str:
    """The OCI runtime that is taken where it makes no difference."""
    require_root()
    return required("crun")


@pytest.fixture
def names(host: Preg, image: str, runnable: str) -> Iterator[Callable[[], str]]:
    """Invents names for containers, which are gone after the test, with all they have left."""
    invented: list[str] = []

    def invent() -> str:
        invented.append(f"test-{uuid.uuid4().hex[:12]}")
        return invented[-1]

    yield invent
    host.run("rm", "--force", *invented) if invented else None
    assert host.left() == []
    assert f"{host.home}/containers" not in Path("/proc/self/mounts").read_text()


@pytest.fixture(scope="module", params=["crun", "runc"])
def oci_runtime(request: pytest.FixtureRequest) -> str:
    """Each OCI runtime in turn."""
    require_root()
    return required(request.param)
