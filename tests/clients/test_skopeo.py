"""skopeo: copies between registries and folders."""

import json
from pathlib import Path

from tests.parts import server as server_part
from tests.parts.containers import skopeo
from tests.parts.images import (
    Image,
    Index,
    data,
    multi_arch,
    push,
    read_oci_layout,
    write_docker_archive,
    write_oci_layout,
)
from tests.parts.server import Server, mounts, uploads

PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")


def copy(source: str, target: str, *options: str) -> None:
    skopeo("copy", *PLAIN, "--quiet", *options, source, target)


def upload(server: Server, repository: str, image: Image | Index, tag: str, folder: Path) -> None:
    """Copy `image` to the server under `tag`, all of an index."""
    layout = write_oci_layout(folder, image, tag)
    copy(f"oci:{layout}:{tag}", f"docker://{server.address}/{repository}:{tag}", "--all")


def test_an_oci_image_is_stored_and_copied_back_byte_for_byte(server: Server, repository: str, tmp_path: Path) -> None:
    image = data("skopeo", layers=6)
    upload(server, repository, image, "1", tmp_path / "in")
    stored = server.stored(repository, "1")
    assert stored.manifest == image.manifest
    assert stored.blobs == image.blobs

    for number, name in enumerate((f"{repository}:1", f"{repository}@{image.digest}")):
        target = tmp_path / f"out{number}"
        copy(f"docker://{server.address}/{name}", f"oci:{target}:1")
        assert read_oci_layout(target) == {**image.blobs, image.digest: image.manifest}


def test_a_second_copy_uploads_nothing(server: Server, repository: str, tmp_path: Path) -> None:
    image = data("again")
    upload(server, repository, image, "1", tmp_path / "first")
    with server.recording() as requests:
        upload(server, repository, image, "2", tmp_path / "second")
    assert uploads(requests) == []
    assert server.stored(repository, "2").manifest == image.manifest


def test_a_copy_to_another_repository_mounts_the_blobs(server: Server, repository: str, tmp_path: Path) -> None:
    image, name = data("mounted"), f"docker://{server.address}/{repository}"
    # skopeo offers to mount what it remembers to have stored itself.
    upload(server, repository, image, "1", tmp_path / "in")
    with server.recording() as requests:
        copy(f"{name}:1", f"{name}-b:1")
    assert len(mounts(requests)) >= len(image.layers)
    assert server.stored(f"{repository}-b", "1") == server.stored(repository, "1")


def test_an_index_is_copied_whole_to_another_registry(server: Server, repository: str, tmp_path: Path) -> None:
    index = multi_arch("skopeo")
    upload(server, repository, index, "all", tmp_path / "in")
    with server_part.serving(tmp_path / "other") as other:
        copy(
            f"docker://{server.address}/{repository}:all",
            f"docker://{other.address}/copied:all",
            "--all",
        )
        stored = other.stored("copied", "all")
        assert stored == server.stored(repository, "all")
    assert stored.manifest == index.manifest
    assert [child.blobs for child in stored.children] == [image.blobs for image in index.images]


def test_a_docker_archive_is_stored_in_dockers_own_types(server: Server, repository: str, tmp_path: Path) -> None:
    image = data("archive")
    archive = write_docker_archive(tmp_path / "image.tar", image, "image:1")
    copy(f"docker-archive:{archive}", f"docker://{server.address}/{repository}:1")
    stored = server.stored(repository, "1")
    assert stored.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert stored.json()["config"]["digest"] == image.config_digest


def test_inspect_names_the_digest_and_the_tags(server: Server, repository: str) -> None:
    image = data("inspected", layers=1, size=10)
    for tag in ("1", "2"):
        push(server, repository, tag, image)
    name = f"docker://{server.address}/{repository}:1"
    said = json.loads(skopeo("inspect", "--tls-verify=false", name))
    assert said["Digest"] == image.digest
    assert said["RepoTags"] == ["1", "2"]


def test_delete_removes_the_manifest_and_its_tags(server: Server, repository: str) -> None:
    gone, kept = data("gone", layers=1, size=10), data("kept", layers=1, size=10)
    for tag, image in (("1", gone), ("2", gone), ("3", kept)):
        push(server, repository, tag, image)
    skopeo("delete", "--tls-verify=false", f"docker://{server.address}/{repository}:1")
    assert server.tags(repository) == ["3"]
    assert server.status(repository, gone.digest) == 404
    assert server.status(repository, kept.digest) == 200
