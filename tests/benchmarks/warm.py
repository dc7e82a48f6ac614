"""python -m tests.benchmarks.warm [ROUNDS]: preg beside docker and podman on this machine, in turns.

Each measure is a table of medians in milliseconds and of preg's ratio to the fastest of the others.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.peers import find
from tests.parts import docker, server
from tests.parts.images import busybox, push, write_docker_archive
from tests.parts.mounts import unmount_below
from tests.parts.netns import netns, remove_networks
from tests.parts.process import output
from tests.parts.required import ROOT

ROUNDS = 15
IMAGE = "127.0.0.1:1/bench/busybox:1"


class Engine(NamedTuple):
    """An engine that can be measured: the words before a verb, and those that ``run`` needs on this host."""

    name: str
    command: tuple[str, ...]
    environ: dict[str, str]
    image: str
    run_options: tuple[str, ...] = ()
    bridged: bool = True
    """Whether what it takes for a network is here; podman's programs for it are packages of their own."""

    def __call__(self, *words: str) -> str:
        """Do something that must succeed; its stdout."""
        return output(*self.command, *words, env=self.environ)

    def run(self, *options: str) -> list[str]:
        """The words that run a command in the image."""
        return ["run", *self.run_options, *options, self.image]


@contextlib.contextmanager
def preg(folder: Path) -> Iterator[Engine]:
    """preg with its own home; its command is as an installed one, whose modules are compiled."""
    script = Path(sys.executable).with_name("preg")
    command = (str(script),) if script.exists() else (sys.executable, "-m", "runtime")
    environ = {**os.environ, "PREG_HOME": str(folder / "home"), "PREG_STATE": str(folder / "host/preg-state")}
    environ["PYTHONPATH"] = str(ROOT)
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with server.serving(folder / "registry") as running:
        push(running, "bench/busybox", "1", busybox())
        engine = Engine("preg", command, environ, f"{running.address}/bench/busybox:1")
        engine("pull", engine.image)
    try:
        yield engine
    finally:
        unmount_below(folder)
        remove_networks(folder)


@contextlib.contextmanager
def dockerd(folder: Path) -> Iterator[Engine]:
    """docker with an engine of its own, whose storage and bridge are the default."""
    with netns() as namespace, docker.engine_in(folder, namespace) as engine:
        engine.load(busybox(), IMAGE)
        environ = {**os.environ, "DOCKER_HOST": f"unix://{engine.socket}"}
        yield Engine("docker", (find("docker") or "",), environ, IMAGE)


@contextlib.contextmanager
def podman(folder: Path) -> Iterator[Engine]:
    """podman with its own storage, on overlays as by default."""
    # Debian 12's crun refuses a host with both cgroup versions, and podman's limits may be above this host's.
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
    command = [find("podman") or "", f"--root={folder / 'root'}", f"--runroot={folder / 'run'}"]
    command += ["--storage-driver=overlay", "--cgroup-manager=cgroupfs", f"--runtime={find('runc')}"]
    engine = Engine("podman", tuple(command), dict(os.environ), IMAGE, limits, bridged=False)
    engine("load", "--input", str(write_docker_archive(folder / "image.tar", busybox(), IMAGE)))
    try:
        yield engine
    finally:
        unmount_below(folder)


ENGINES = {"preg": preg, "docker": dockerd, "podman": podman}


class Measure(NamedTuple):
    """Something that every engine does, and how often as long as the fastest of its peers preg may take."""

    name: str
    words: Sequence[str]
    target: float
    bridged: bool = False
    """It takes a bridge."""
    peers: Sequence[str] = ("docker", "podman")
    """Whom preg is compared with."""


def measures(engine: Engine) -> Iterator[Measure]:
    """What is measured; a container that runs is called ``long``."""
    yield Measure("run --rm, no network", [*engine.run("--rm", "--network=none"), "true"], 0.28)
    yield Measure("run --rm, bridge, port", [*engine.run("--rm", "--publish=80"), "true"], 0.20, bridged=True)
    yield Measure("exec", ["exec", "long", "true"], 0.7)
    yield Measure("ps", ["ps"], 1, peers=["podman"])


def timed(engine: Engine, words: Sequence[str]) -> float:
    """Milliseconds until a command has ended."""
    began = time.perf_counter()
    subprocess.run(
        [*engine.command, *words], env=engine.environ, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    return (time.perf_counter() - began) * 1000


def main(rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        engines = []
        for name, start in ENGINES.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-")))
            engines.append(stack.enter_context(start(folder)))
        for engine in engines:
            engine(*engine.run("-d", "--network=none", "--name=long"), "sleep", "100000")
            stack.callback(engine, "rm", "-f", "long")
        for lines in zip(*(list(measures(engine)) for engine in engines), strict=True):
            able = [pair for pair in zip(engines, lines, strict=True) if pair[0].bridged or not pair[1].bridged]
            times: dict[str, list[float]] = {engine.name: [] for engine, _ in able}
            for _ in range(rounds):
                for engine, measure in able:
                    times[engine.name].append(timed(engine, measure.words))
            show(lines[0], {name: statistics.median(values) for name, values in times.items()})
        sys.stdout.write(f"a supervisor takes {supervisor_memory()} KiB (PSS), target 6144\n")


def supervisor_memory() -> int:
    """The proportional memory of a supervisor of preg's that runs, in KiB."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"preg supervisor" in (path / "cmdline").read_bytes():
                rows = (path / "smaps_rollup").read_text().splitlines()
                return int(next(row for row in rows if row.startswith("Pss:")).split()[1])
    raise LookupError("no supervisor runs")


def show(measure: Measure, medians: dict[str, float]) -> None:
    fastest = min(value for name, value in medians.items() if name in measure.peers)
    cells = "".join(f" {name} {value:6.1f}" for name, value in medians.items())
    ratio, peers = medians["preg"] / fastest, " and ".join(measure.peers)
    sys.stdout.write(f"{measure.name:24}{cells} | {ratio:.2f} of the fastest of {peers}, target {measure.target}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
