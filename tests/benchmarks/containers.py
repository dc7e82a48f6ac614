"""python -m tests.benchmarks.containers [ROUNDS]: preg, docker and podman fetch, run and remove a large image.

By turns, an image of two layers with 20,000 files and 340 MB, from a registry of this machine. Between a removal and
the next fetch lie 45 seconds: for so long ext4 takes several times the time to make files where some were just deleted
(it avoids inodes that were freed lately), which would fall on whoever unpacks.
"""

import contextlib
import io
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from runtime import zstd
from tests.benchmarks.peers import find, peers, running
from tests.parts import docker, tls
from tests.parts.images import Image, busybox, push
from tests.parts.mounts import unmount_below
from tests.parts.wire import Wire
from tests.runtime.conftest import Preg

FILES = 20_000
FILE_SIZE = 17_000
LAYERS = 2
REST_SECONDS = 45


class Peer(NamedTuple):
    """An engine: ``run`` and ``remove`` give the command for an image."""

    name: str
    run: Callable[[str], Sequence[str]]
    remove: Callable[[str], Sequence[str]]
    environ: dict[str, str]


class Compressed(Image):
    """An image whose layers are compressed with zstd."""

    @cached_property
    def layers(self) -> tuple[bytes, ...]:
        return tuple(zstd.compress(tar, 3) for tar in self.tars)

    @cached_property
    def manifest(self) -> bytes:
        return super().manifest.replace(b"tar+gzip", b"tar+zstd")


def image() -> Image:
    """Text and noise in the proportion of programs: gzip makes a third of it."""
    random.seed("containers")
    words = [bytes(random.choices(range(97, 123), k=random.randrange(2, 9))) for _ in range(2_000)]
    text = b" ".join(random.choices(words, [1 / rank for rank in range(1, len(words) + 1)], k=8_000_000))
    tars = []
    for number in range(LAYERS):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for serial in range(number, FILES, LAYERS):
                size = int(random.expovariate(1 / FILE_SIZE))
                start = random.randrange(len(text) - size)
                content = text[start : start + size * 9 // 10] + random.randbytes(size // 10)
                member = tarfile.TarInfo(f"usr/lib/part{serial // 100}/file{serial}")
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
        tars.append(archive.getvalue())
    base = busybox()
    return Image((*base.tars, *tars), base.settings)


def preg_peer(folder: Path) -> Peer:
    preg = Preg(folder / "preg")
    return Peer(
        "preg",
        lambda name: preg.command("run", "--rm", "--network", "none", name, "true"),
        lambda name: preg.command("rmi", name),
        preg.environ,
    )


def podman_peer(folder: Path) -> Peer:
    store = [find("podman") or "", f"--root={folder}/root", f"--runroot={folder}/run", "--cgroup-manager=cgroupfs"]
    # Debian 12's crun refuses a host with both cgroup versions, runc does not.
    limits = ["--runtime=runc", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    command = [*store, "--storage-driver=overlay"]
    return Peer(
        "podman",
        lambda name: [*command, "run", "--rm", "--network=none", "--tls-verify=false", *limits, name, "true"],
        lambda name: [*command, "rmi", name],
        dict(os.environ),
    )


def docker_peer(socket: Path) -> Peer:
    command = [find("docker") or "", f"--host=unix://{socket}"]
    return Peer(
        "docker",
        lambda name: [*command, "run", "--rm", "--network=none", name, "true"],
        lambda name: [*command, "rmi", name],
        dict(os.environ),
    )


@contextlib.contextmanager
def engines(folder: Path) -> Iterator[list[Peer]]:
    """preg, and of the others those that are installed."""
    with contextlib.ExitStack() as stack:
        found = [preg_peer(folder)]
        stack.callback(unmount_below, folder)
        if find("podman"):
            found.append(podman_peer(folder / "podman"))
        if find("dockerd"):
            made = folder / "docker"
            made.mkdir()
            stack.enter_context(docker.engine(made, tls.issue(folder / "tls").ca, ""))
            found.append(docker_peer(made / "docker.sock"))
        yield found


def timed(command: Sequence[str], environ: dict[str, str]) -> float | None:
    """Run a command; its seconds, or nothing if it fails."""
    began = time.monotonic()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    if done.returncode:
        sys.stderr.write(f"{' '.join(command[:2])}: {done.stderr.strip()[-200:]}\n")
        return None
    return took


def measure(registry: Wire, rounds: int, folder: Path) -> None:
    plain = image()
    kinds = {"gzip": plain, "zstd": Compressed(plain.tars, plain.settings)}
    for kind, made in kinds.items():
        push(registry, f"bench/{kind}", "1", made)
    with engines(folder) as found:
        for kind in kinds:
            name = f"{registry.address}/bench/{kind}:1"
            fetched: dict[str, list[float]] = {}
            removed: dict[str, list[float]] = {}
            for _ in range(rounds):
                for peer in found:
                    if (took := timed(peer.run(name), peer.environ)) is not None:
                        fetched.setdefault(peer.name, []).append(took)
                        removed.setdefault(peer.name, []).append(timed(peer.remove(name), peer.environ) or 0)
                time.sleep(REST_SECONDS)
            report(f"fetch and run, {kind}", fetched)
            report(f"remove, {kind}", removed)


def report(what: str, times: dict[str, list[float]]) -> None:
    """Print a line: medians, and ours as part of the fastest other."""
    medians = {name: statistics.median(each) for name, each in times.items()}
    row = "".join(f"  {name} {median:7.3f} s" for name, median in medians.items())
    others = [median for name, median in medians.items() if name != "preg"]
    ratio = f"  ratio {medians['preg'] / min(others):.2f}" if others and "preg" in medians else ""
    sys.stdout.write(f"{what:24}{row}{ratio}\n")
    sys.stdout.flush()


def main(rounds: int) -> None:
    (registry,) = (peer for peer in peers() if peer.name == "preg")
    # podman refuses a path as long as the usual ones.
    with (
        tempfile.TemporaryDirectory(prefix="preg-bench-") as folder,
        running(registry, Path(folder, "registry")) as server,
    ):
        measure(server.wire, rounds, Path(folder))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
