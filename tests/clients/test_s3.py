"""docker, podman and skopeo over a bucket: what one pushes, each pulls, from preg or from the bucket itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.parts import server as server_part
from tests.parts.containers import Storage, skopeo
from tests.parts.docker import Docker
from tests.parts.images import Image, data, read_docker_archive, write_oci_layout
from tests.parts.seaweed import Seaweed, seaweed
from tests.parts.server import Server, uploads
from tests.parts.wire import Stored, sha256

MIB = 1 << 20
PLAIN = "--tls-verify=false"
# A request that names no client comes from the tests themselves, which look at what is stored.
REDIRECT = """
[redirect]
enabled = true
except_user_agents = "^$"
"""


@pytest.fixture(scope="module")
def store() -> Iterator[Seaweed]:
    with seaweed() as running:
        yield running


@pytest.fixture(scope="module", params=[200, 307], ids=["served", "redirected"])
def downloads(request: pytest.FixtureRequest) -> int:
    """The status with which a download is answered."""
    return int(request.param)


@pytest.fixture(scope="module")
def server(downloads: int, store: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over an empty bucket, which clients know by another name than the server does."""
    config = tmp_path_factory.mktemp("config") / "preg.toml"
    config.write_text(REDIRECT if downloads == 307 else "")
    public = store.endpoint.replace("127.0.0.1", "localhost")
    with server_part.serving(store.url(public_endpoint=public, part_size=str(5 * MIB)), config) as running:
        yield running


@dataclass(frozen=True, kw_only=True)
class Pulls:
    """An image's way to a folder through each client."""

    docker: Docker
    podman: Storage
    server: Server
    repository: str
    image: Image
    downloads: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.server.address}/{self.repository}:1"

    def check(self) -> None:
        """The server holds the image, and each client pulls it to the byte."""
        stored = self.server.stored(self.repository, "1")
        assert stored.blobs[self.image.config_digest] == self.image.config
        assert stored.plain_layers() == list(self.image.tars)
        for pull in (self.by_docker, self.by_podman, partial(self.by_skopeo, stored)):
            with self.server.recording() as requests:
                pull()
            answered = {each.status for each in requests if each.method == "GET" and "/blobs/" in each.path}
            assert answered == {self.downloads}

    def by_docker(self) -> None:
        self.docker.forget()
        self.docker("pull", self.name)
        saved = self.folder / "saved.tar"
        self.docker("save", "--output", str(saved), self.name)
        assert read_docker_archive(saved) == (self.image.config, list(self.image.tars))

    def by_podman(self) -> None:
        self.podman("rmi", "--all", "--force")
        self.podman("pull", "--quiet", PLAIN, self.name)
        # podman checks each digest, and the configuration has those of the layers.
        found = self.podman("image", "inspect", "--format={{.Id}}", self.name)
        assert f"sha256:{found}" == self.image.config_digest

    def by_skopeo(self, stored: Stored) -> None:
        folder = self.folder / "copied"
        skopeo("copy", "--src-tls-verify=false", f"docker://{self.name}", f"dir:{folder}")
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "version"}
        assert files.pop("manifest.json") == stored.manifest
        assert {sha256(content): content for content in files.values()} == stored.blobs


@pytest.fixture
def pulls(*, docker: Docker, podman: Storage, server: Server, repository: str, downloads: int, tmp_path: Path) -> Pulls:
    small, large = data(f"{repository} small", layers=2, size=1000), data(f"{repository} large", layers=1, size=6 * MIB)
    return Pulls(
        docker=docker,
        podman=podman,
        server=server,
        repository=repository,
        # The large layer goes to the bucket in two parts.
        image=Image((*small.tars, *large.tars), small.settings),
        downloads=downloads,
        folder=tmp_path,
    )


def test_what_docker_pushes_each_pulls(docker: Docker, server: Server, pulls: Pulls) -> None:
    docker.load(pulls.image, pulls.name)
    docker("push", pulls.name)
    with server.recording() as again:
        docker("push", pulls.name)
    assert uploads(again) == []
    pulls.check()


def test_what_podman_pushes_each_pulls(podman: Storage, server: Server, pulls: Pulls, tmp_path: Path) -> None:
    layout = write_oci_layout(tmp_path / "layout", pulls.image, "1")
    podman("tag", podman("pull", "--quiet", f"oci:{layout}:1"), pulls.name)
    podman("push", PLAIN, pulls.name)
    with server.recording() as again:
        podman("push", PLAIN, pulls.name)
    assert uploads(again) == []
    pulls.check()


def test_what_skopeo_pushes_each_pulls(server: Server, pulls: Pulls, tmp_path: Path) -> None:
    layout = write_oci_layout(tmp_path / "layout", pulls.image, "1")
    push = ["copy", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{pulls.name}"]
    skopeo(*push)
    with server.recording() as again:
        skopeo(*push)
    assert uploads(again) == []
    assert server.stored(pulls.repository, "1").manifest == pulls.image.manifest
    pulls.check()
