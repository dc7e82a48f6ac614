"""preg and other registries, started alike: a folder, no TLS, no authentication, no access log."""

import contextlib
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.usage import Usage
from tests.parts.process import Process
from tests.parts.required import ROOT, TOOLS
from tests.parts.wire import Wire


def find(program: str) -> str | None:
    """The path of a program, on PATH or where Go installs."""
    folders = [os.environ.get("PATH", os.defpath), str(TOOLS), str(Path.home() / "go" / "bin")]
    return shutil.which(program, path=os.pathsep.join(folders))


class Peer(NamedTuple):
    """A registry that can be measured; `command` writes its settings into a folder and gives the command line."""

    name: str
    command: Callable[[Path, int], list[str]]


class Running(NamedTuple):
    wire: Wire
    usage: Usage


def preg(folder: Path, port: int) -> list[str]:
    settings = folder / "preg.toml"
    settings.write_text("[log]\naccess = false\n")
    storage = str(folder / "storage")
    listen = f"127.0.0.1:{port}"
    return [sys.executable, "-m", "registry", "--config", str(settings), "--listen", listen, "--storage", storage]


def distribution(folder: Path, port: int) -> list[str]:
    settings = folder / "registry.json"
    document = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "storage")},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    # JSON is YAML as well.
    settings.write_text(json.dumps(document))
    return [find("registry") or "", "serve", str(settings)]


def zot(folder: Path, port: int) -> list[str]:
    settings = folder / "zot.json"
    document = {
        "storage": {"rootDirectory": str(folder / "storage"), "gc": False},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
    }
    settings.write_text(json.dumps(document))
    return [find("zot") or "", "serve", str(settings)]


def peers() -> list[Peer]:
    """preg, and of the others those that are installed."""
    others = {"registry": Peer("distribution", distribution), "zot": Peer("zot", zot)}
    return [Peer("preg", preg), *(peer for program, peer in others.items() if find(program))]


@contextlib.contextmanager
def running(peer: Peer, folder: Path) -> Iterator[Running]:
    """Start a registry, and wait until it answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder.mkdir()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OTEL_TRACES_EXPORTER": "none"}
    process = Process(peer.command(folder, port), env)
    try:
        wire = Wire(f"http://127.0.0.1:{port}")
        _wait_for(wire)
        yield Running(wire, Usage(process.pid))
    finally:
        process.stop()


def _wait_for(wire: Wire) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            if wire.ask("GET", "/v2/").status == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{wire.url} does not answer")
