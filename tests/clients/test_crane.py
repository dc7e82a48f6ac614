"""crane, the command of go-containerregistry."""

from pathlib import Path

from tests.parts import server as server_part
from tests.parts.images import (
    data,
    multi_arch,
    push,
    read_oci_layout,
    write_docker_archive,
    write_oci_layout,
)
from tests.parts.process import output
from tests.parts.required import required
from tests.parts.server import Server, mounts, uploads


def crane(*arguments: str) -> str:
    """Run crane, which must succeed; its stdout."""
    return output(required("crane"), *arguments)


def pull(name: str, target: Path) -> dict[str, bytes]:
    """The blobs and manifests of an image or an index, as crane fetches them."""
    crane("pull", "--format=oci", name, str(target))
    return read_oci_layout(target)


def test_an_image_is_stored_and_pulled_back_byte_for_byte(server: Server, repository: str, tmp_path: Path) -> None:
    image, name = data("crane", layers=6), f"{server.address}/{repository}"
    crane("push", str(write_oci_layout(tmp_path / "in", image, "1")), f"{name}:1")
    assert server.stored(repository, "1").manifest == image.manifest
    crane("validate", "--remote", f"{name}:1")

    whole = {**image.blobs, image.digest: image.manifest}
    assert pull(f"{name}:1", tmp_path / "by-tag") == whole
    assert pull(f"{name}@{image.digest}", tmp_path / "by-digest") == whole


def test_an_index_in_an_index_is_stored_and_pulled_back_byte_for_byte(
    server: Server, repository: str, tmp_path: Path
) -> None:
    index, name = multi_arch("crane"), f"{server.address}/{repository}:all"
    layout = write_oci_layout(tmp_path / "in", index, "all")
    # crane pushes a layout's own index.json, which here lists one index.
    crane("push", "--index", str(layout), name)
    stored = server.stored(repository, "all")
    assert stored.manifest == (layout / "index.json").read_bytes()
    assert [child.manifest for child in stored.children] == [index.manifest]

    whole = {**read_oci_layout(layout), stored.digest: stored.manifest}
    assert pull(name, tmp_path / "out") == whole


def test_a_second_push_uploads_nothing(server: Server, repository: str, tmp_path: Path) -> None:
    image, name = data("again"), f"{server.address}/{repository}"
    archive = write_docker_archive(tmp_path / "image.tar", image, "image:1")
    crane("push", str(archive), f"{name}:1")
    with server.recording() as requests:
        crane("push", str(archive), f"{name}:1")
        crane("push", str(archive), f"{name}:2")
    assert uploads(requests) == []
    assert server.stored(repository, "2").diff_ids() == image.diff_ids


def test_a_copy_to_another_repository_mounts_the_blobs(server: Server, repository: str) -> None:
    image, name = data("mounted"), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    with server.recording() as requests:
        crane("copy", f"{name}:1", f"{name}-b:1")
    assert len(mounts(requests)) == len(image.blobs)
    assert server.stored(f"{repository}-b", "1") == server.stored(repository, "1")


def test_an_index_is_copied_whole_to_another_registry(server: Server, repository: str, tmp_path: Path) -> None:
    push(server, repository, "all", multi_arch("copied"))
    with server_part.serving(tmp_path / "other") as other:
        crane("copy", f"{server.address}/{repository}:all", f"{other.address}/copied:all")
        assert other.stored("copied", "all") == server.stored(repository, "all")


def test_delete_by_tag_leaves_the_manifest_and_by_digest_takes_its_tags(server: Server, repository: str) -> None:
    name, image = f"{server.address}/{repository}", data("deleted", layers=1, size=10)
    for tag in ("1", "2", "3"):
        push(server, repository, tag, image)
    crane("delete", f"{name}:1")
    assert server.tags(repository) == ["2", "3"]
    assert server.status(repository, image.digest) == 200
    crane("delete", f"{name}@{image.digest}")
    assert server.tags(repository) == []
    assert server.status(repository, image.digest) == 404


def test_a_tag_is_added_without_an_upload(server: Server, repository: str) -> None:
    image, name = data("tagged", layers=1, size=10), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    with server.recording() as requests:
        crane("tag", f"{name}:1", "stable")
    assert uploads(requests) == []
    assert crane("digest", f"{name}:stable") == image.digest
