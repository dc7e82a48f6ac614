"""The Docker engine, driven through its own command."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.parts.docker import Docker
from tests.parts.images import Image, busybox, data, multi_arch, push, read_docker_archive
from tests.parts.server import Server, mounts, uploads
from tests.parts.wire import MANIFEST_TYPES


def assert_same_image(docker: Docker, name: str, image: Image, folder: Path) -> None:
    """What the engine holds under `name` is `image`, to the byte."""
    docker("save", "--output", str(folder / "saved.tar"), name)
    config, layers = read_docker_archive(folder / "saved.tar")
    assert config == image.config
    assert layers == list(image.tars)


@pytest.mark.parametrize("make", [busybox, partial(data, "docker", layers=6)], ids=["busybox", "data"])
def test_what_docker_pushes_is_stored_and_pulled_back_whole(
    docker: Docker, server: Server, repository: str, make: Callable[[], Image], tmp_path: Path
) -> None:
    image, name = make(), f"{server.address}/{repository}:1"
    docker.load(image, name)
    docker("push", name)

    stored = server.stored(repository, "1")
    assert stored.media_type in MANIFEST_TYPES
    assert stored.blobs[image.config_digest] == image.config
    assert stored.plain_layers() == list(image.tars)

    docker.forget()
    assert stored.digest in docker("pull", name)
    assert docker.inspect(name)["Id"] == image.config_digest
    assert_same_image(docker, name, image, tmp_path)


def test_a_second_push_uploads_nothing(docker: Docker, server: Server, repository: str) -> None:
    name = f"{server.address}/{repository}"
    docker.load(data("again"), f"{name}:1")
    docker("push", f"{name}:1")
    docker("tag", f"{name}:1", f"{name}:2")
    with server.recording() as requests:
        docker("push", f"{name}:1")
        docker("push", f"{name}:2")
    assert [each.path for each in requests if each.method == "PUT"] == [
        f"/v2/{repository}/manifests/1",
        f"/v2/{repository}/manifests/2",
    ]
    assert uploads(requests) == []
    assert server.stored(repository, "1") == server.stored(repository, "2")


def test_a_push_to_another_repository_mounts_the_layers(docker: Docker, server: Server, repository: str) -> None:
    first, second = f"{server.address}/{repository}:1", f"{server.address}/{repository}-b:1"
    image = data("mounted", layers=3)
    docker.load(image, first)
    docker("push", first)
    docker("tag", first, second)
    with server.recording() as requests:
        docker("push", second)
    assert len(mounts(requests)) == len(image.layers)
    assert server.stored(f"{repository}-b", "1") == server.stored(repository, "1")


def test_docker_pulls_by_digest(docker: Docker, server: Server, repository: str, tmp_path: Path) -> None:
    image = data("by digest")
    push(server, repository, "1", image)
    name = f"{server.address}/{repository}@{image.digest}"
    docker("pull", name)
    assert docker.inspect(name)["RepoDigests"] == [name]
    assert_same_image(docker, name, image, tmp_path)


def test_docker_takes_its_own_architecture_from_an_index(
    docker: Docker, server: Server, repository: str, tmp_path: Path
) -> None:
    index = multi_arch("docker")
    push(server, repository, "all", index)
    name = f"{server.address}/{repository}:all"
    own = docker("version", "--format", "{{.Server.Arch}}")
    for architecture in (own, "riscv64"):
        docker.forget()
        docker("pull", f"--platform=linux/{architecture}", name)
        (image,) = (each for each in index.images if each.architecture == architecture)
        assert docker.inspect(name)["RepoDigests"] == [f"{server.address}/{repository}@{index.digest}"]
        assert_same_image(docker, name, image, tmp_path)


def test_a_missing_tag_is_named_in_the_users_words(docker: Docker, server: Server, repository: str) -> None:
    push(server, repository, "1", data("here", layers=1, size=10))
    said = docker.fails("pull", f"{server.address}/{repository}:2")
    assert "manifest" in said
    assert "unknown" in said
