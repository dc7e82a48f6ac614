"""podman: push, pull and run."""

import json
from pathlib import Path

import pytest

from tests.parts.containers import Storage
from tests.parts.images import Image, busybox, data, multi_arch, push, write_oci_layout
from tests.parts.server import Server, mounts, uploads

PLAIN = "--tls-verify=false"


def load(podman: Storage, image: Image, name: str, folder: Path) -> None:
    """Bring `image` into podman's store under `name`."""
    layout = write_oci_layout(folder / "layout", image, "1")
    pulled = podman("pull", "--quiet", f"oci:{layout}:1")
    podman("tag", pulled, name)


def inspect(podman: Storage, name: str) -> dict[str, object]:
    (image,) = json.loads(podman("image", "inspect", name))
    return dict(image)


def assert_same_image(podman: Storage, name: str, image: Image) -> None:
    """podman holds `image` under `name`: it has checked each digest when it stored the image."""
    found = inspect(podman, name)
    assert f"sha256:{found['Id']}" == image.config_digest
    assert found["RootFS"] == {"Type": "layers", "Layers": image.diff_ids}


def test_what_podman_pushes_is_pulled_back_and_runs(
    podman: Storage, server: Server, repository: str, tmp_path: Path
) -> None:
    image, name = busybox("hello from podman\n"), f"{server.address}/{repository}:1"
    load(podman, image, name, tmp_path)
    podman("push", PLAIN, name)
    stored = server.stored(repository, "1")
    assert stored.blobs[image.config_digest] == image.config
    assert stored.diff_ids() == image.diff_ids

    podman("rmi", "--all", "--force")
    podman("pull", "--quiet", PLAIN, name)
    assert_same_image(podman, name, image)
    assert podman.run(name) == (0, "hello from podman\n")
    assert podman.run(name, "sh", "-c", "exit 7") == (7, "")


def test_a_second_push_uploads_nothing(podman: Storage, server: Server, repository: str, tmp_path: Path) -> None:
    name = f"{server.address}/{repository}:1"
    load(podman, data("again"), name, tmp_path)
    podman("push", PLAIN, name)
    with server.recording() as requests:
        podman("push", PLAIN, name)
    assert uploads(requests) == []
    assert any(each.method == "PUT" for each in requests)


def test_a_push_to_another_repository_mounts_the_layers(
    podman: Storage, server: Server, repository: str, tmp_path: Path
) -> None:
    image, name = data("mounted"), f"{server.address}/{repository}"
    load(podman, image, f"{name}:1", tmp_path)
    podman("push", PLAIN, f"{name}:1")
    podman("tag", f"{name}:1", f"{name}-b:1")
    with server.recording() as requests:
        podman("push", PLAIN, f"{name}-b:1")
    assert len(mounts(requests)) == len(image.layers)
    assert server.stored(f"{repository}-b", "1") == server.stored(repository, "1")


def test_podman_pulls_by_digest(podman: Storage, server: Server, repository: str) -> None:
    image = data("by digest")
    push(server, repository, "1", image)
    name = f"{server.address}/{repository}@{image.digest}"
    podman("pull", "--quiet", PLAIN, name)
    assert inspect(podman, name)["Digest"] == image.digest
    assert_same_image(podman, name, image)


@pytest.mark.parametrize("architecture", ["amd64", "arm64", "riscv64"])
def test_podman_takes_one_architecture_from_an_index(
    podman: Storage, server: Server, repository: str, architecture: str
) -> None:
    index = multi_arch("podman")
    push(server, repository, "all", index)
    name = f"{server.address}/{repository}:all"
    podman("pull", "--quiet", PLAIN, f"--arch={architecture}", name)
    (image,) = (each for each in index.images if each.architecture == architecture)
    assert_same_image(podman, name, image)


def test_search_lists_the_tags_of_a_repository(podman: Storage, server: Server, repository: str) -> None:
    push(server, repository, "1", data("searched", layers=1, size=10))
    name = f"{server.address}/{repository}"
    found = json.loads(podman("search", PLAIN, "--list-tags", "--format=json", name))
    assert [entry["Tags"] for entry in found] == [["1"]]
