"""podman's pulls of zstd:chunked images, which fetch the files that changed as ranges of a layer."""

import io
import os
import random
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.parts.counting import counting
from tests.parts.distribution import distribution
from tests.parts.process import output
from tests.parts.required import require_root, required
from tests.parts.seaweed import seaweed
from tests.parts.server import serving
from tests.parts.wire import Wire

FILES, CHANGED, SIZE = 40, (3, 17, 33), 200_000
PLAIN = "--tls-verify=false"
SETTINGS = """
[storage]
driver = "overlay"
runroot = "{folder}/run"
graphroot = "{folder}/root"
[storage.options]
pull_options = {{enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}}
"""


@dataclass(frozen=True)
class Podman:
    """podman with an image store of its own, that takes from an image what it lacks."""

    folder: Path

    def __call__(self, *arguments: str) -> str:
        require_root()
        self.folder.mkdir(exist_ok=True)
        settings = self.folder / "storage.conf"
        settings.write_text(SETTINGS.format(folder=self.folder))
        env = {**os.environ, "CONTAINERS_STORAGE_CONF": str(settings)}
        return output(required("podman"), "--cgroup-manager=cgroupfs", *arguments, env=env)


def write_layer(path: Path, version: int) -> Path:
    """A layer of files that cannot be compressed, of which a few differ between versions."""
    with tarfile.open(path, "w") as archive:
        folder = tarfile.TarInfo("data")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for number in range(FILES):
            seed = number + (1000 * version if number in CHANGED else 0)
            file = tarfile.TarInfo(f"data/{number}")
            file.size = SIZE
            archive.addfile(file, io.BytesIO(random.Random(seed).randbytes(SIZE)))
    return path


@pytest.fixture(scope="module")
def pusher(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    """A podman that has both versions of an image."""
    folder = tmp_path_factory.mktemp("pusher")
    podman = Podman(folder)
    for version in (1, 2):
        podman("import", str(write_layer(folder / f"{version}.tar", version)), f"localhost/image:{version}")
    return podman


def fetched(registry: Wire, pusher: Podman, folder: Path) -> list[int]:
    """How many bytes the registry sends for the first pull, and for that of the next version."""
    puller, counts = Podman(folder), []
    with counting(registry.address) as proxy:
        for version in (1, 2):
            name = f"{proxy.address}/image:{version}"
            compressed = ("--format=oci", "--compression-format=zstd:chunked")
            pusher("push", PLAIN, *compressed, f"localhost/image:{version}", name)
            before = proxy.received
            puller("pull", PLAIN, name)
            counts.append(proxy.received - before)
    return counts


@pytest.fixture(scope="module")
def yardstick(pusher: Podman, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many bytes distribution sends for the next version."""
    folder = tmp_path_factory.mktemp("distribution")
    with distribution("3.1.1", folder / "storage") as registry:
        return fetched(registry, pusher, folder / "puller")[1]


@pytest.fixture(params=["folder", "s3"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    with ExitStack() as running:
        storage = str(tmp_path / "storage") if request.param == "folder" else running.enter_context(seaweed()).url()
        yield running.enter_context(serving(storage))


def test_an_update_fetches_what_has_changed(registry: Wire, pusher: Podman, yardstick: int, tmp_path: Path) -> None:
    whole, update = fetched(registry, pusher, tmp_path / "puller")
    assert whole > FILES * SIZE
    assert update > len(CHANGED) * SIZE
    assert update <= 1.3 * yardstick
