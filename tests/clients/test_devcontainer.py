"""Development containers: the devcontainer command with preg in Docker's place, as editors use both."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.parts.images import busybox, write_docker_archive
from tests.parts.required import require_root, required
from tests.runtime.conftest import Preg


@dataclass(frozen=True)
class Devcontainer:
    """The ``devcontainer`` command over one workspace."""

    preg: Preg
    workspace: Path
    path: Path

    def describe(self, **settings: Any) -> None:
        """Write what the workspace wants of its container."""
        (self.workspace / ".devcontainer").mkdir(exist_ok=True)
        described = json.dumps({"image": "dev/busybox:1", **settings})
        (self.workspace / ".devcontainer/devcontainer.json").write_text(described)

    def run(self, command: str, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        options = ["--workspace-folder", str(self.workspace), "--docker-path", str(self.path)]
        return subprocess.run(
            [required("devcontainer"), command, *options, *words],
            # It asks a server of its own for news, which is none of ours: nothing listens there.
            env={**self.preg.environ, "HTTPS_PROXY": "http://127.0.0.1:9"},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def up(self, *words: str) -> dict[str, str]:
        """Start the container; what the command says of it."""
        done = self.run("up", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        said: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        assert said["outcome"] == "success"
        return said


@pytest.fixture
def devcontainer(tmp_path: Path) -> Iterator[Devcontainer]:
    require_root()
    required("crun")
    preg = Preg(tmp_path / "home")
    archive = write_docker_archive(tmp_path / "image.tar", busybox("dev"), "dev/busybox:1")
    preg.ok("load", "-i", str(archive))
    path = tmp_path / "preg"
    path.write_text(f'#!/bin/sh\nexec {" ".join(preg.command())} "$@"\n')
    path.chmod(0o755)
    workspace = tmp_path / "work"
    workspace.mkdir()
    yield Devcontainer(preg, workspace, path)
    preg.clear()


def test_a_workspace_is_brought_up_and_entered(devcontainer: Devcontainer) -> None:
    devcontainer.describe()
    (devcontainer.workspace / "file").write_text("of the workspace")
    said = devcontainer.up()
    assert said["remoteWorkspaceFolder"] == "/workspaces/work"
    assert devcontainer.preg.ok("ps", "-q", "--no-trunc").split() == [said["containerId"]]

    done = devcontainer.run("exec", "sh", "-c", "pwd; cat file; exit 3")
    assert (done.returncode, done.stdout) == (3, "/workspaces/work\nof the workspace")
    assert devcontainer.run("exec", "cat", stdin="typed\n").stdout == "typed\n"
    assert devcontainer.up()["containerId"] == said["containerId"]


def test_what_a_workspace_asks_for_is_there_and_lasts(devcontainer: Devcontainer) -> None:
    devcontainer.describe(
        runArgs=["--cap-add=SYS_PTRACE", "--security-opt", "seccomp=unconfined", "--hostname", "dev"],
        containerEnv={"IN_ALL": "1"},
        remoteEnv={"IN_MINE": "2"},
        mounts=["source=dev-data,target=/data,type=volume"],
        workspaceMount="source=${localWorkspaceFolder},target=/w,type=bind,consistency=cached",
        workspaceFolder="/w",
        init=True,
        postCreateCommand="echo created > /data/log",
        postStartCommand="echo started >> /data/log",
    )
    first = devcontainer.up()
    words = ("exec", "sh", "-c", "pwd; hostname; echo $IN_ALL $IN_MINE; cat /data/log")
    assert devcontainer.run(*words).stdout == "/w\ndev\n1 2\ncreated\nstarted\n"

    devcontainer.preg.ok("stop", "-t", "0", first["containerId"])
    assert devcontainer.up()["containerId"] == first["containerId"]
    assert devcontainer.run(*words).stdout.endswith("created\nstarted\nstarted\n")

    again = devcontainer.up("--remove-existing-container")
    assert again["containerId"] != first["containerId"]
    assert devcontainer.preg.ok("ps", "-aq", "--no-trunc").split() == [again["containerId"]]
    assert devcontainer.preg.ok("volume", "ls", "-q") == "dev-data\n"
