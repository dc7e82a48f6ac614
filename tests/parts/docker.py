"""A Docker engine of the tests' own."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.parts.images import Image, write_docker_archive
from tests.parts.mounts import unmount_below
from tests.parts.netns import Netns
from tests.parts.process import Process, output, run, running
from tests.parts.required import missing, require_root, required


@dataclass(frozen=True)
class Docker:
    """The docker command, bound to one engine."""

    socket: Path
    folder: Path

    @property
    def _env(self) -> dict[str, str]:
        config = str(self.folder / "client")
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_CONFIG": config}

    def __call__(self, *arguments: str) -> str:
        """Run a docker command that must succeed; its stdout."""
        return output(required("docker"), *arguments, env=self._env)

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a docker command; whatever its exit status, the caller looks at the result."""
        return run(required("docker"), *arguments, env=self._env, stdin=stdin)

    def fails(self, *arguments: str) -> str:
        """Run a docker command that must fail; its stderr."""
        done = self.run(*arguments)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def load(self, image: Image, name: str) -> None:
        """Bring `image` into the engine under `name`."""
        archive = write_docker_archive(self.folder / f"{os.urandom(8).hex()}.tar", image, name)
        self("load", "--input", str(archive))
        archive.unlink()

    def inspect(self, name: str) -> Any:
        (image,) = json.loads(self("image", "inspect", name))
        return image

    def forget(self) -> None:
        """Remove every image, so that the next pull has to fetch it all."""
        self("image", "prune", "--all", "--force")


@contextlib.contextmanager
def engine(folder: Path, ca: Path, proxy: str) -> Iterator[Docker]:
    """A Docker engine for the length of a `with`.

    It trusts `ca` alone and reaches what is not on loopback through `proxy`. `folder` must have a
    short path: the engine makes sockets below it.
    """
    no_proxy = "127.0.0.1,localhost"
    env = {**os.environ, "SSL_CERT_FILE": str(ca), "HTTPS_PROXY": proxy, "NO_PROXY": no_proxy}
    env.pop("SSL_CERT_DIR", None)
    command = [
        *_command(folder),
        "--insecure-registry=127.0.0.0/8",
        # The host's network stays as it is.
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
        "--ip-masq=false",
    ]
    with running(command, env) as process:
        _wait_until_ready(process)
        yield Docker(folder / "docker.sock", folder)
    # What it makes for containers with the host's network it leaves, and what else it could not take away in time.
    unmount_below(folder)


@contextlib.contextmanager
def engine_in(folder: Path, namespace: Netns) -> Iterator[Docker]:
    """A Docker engine with a network of its own, whose bridge and firewall are those of a namespace."""
    with running(namespace.command(*_command(folder))) as process:
        _wait_until_ready(process)
        yield Docker(folder / "docker.sock", folder)


def _command(folder: Path) -> list[str]:
    require_root()
    required("docker")
    return [
        required("dockerd"),
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}",
        f"--host=unix://{folder / 'docker.sock'}",
    ]


def _wait_until_ready(process: Process) -> None:
    try:
        process.stderr.wait_for(lambda line: "API listen on" in line)
    except AssertionError as silent:
        missing(f"dockerd does not start on this machine: {silent}")
