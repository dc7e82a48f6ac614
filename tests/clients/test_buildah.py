"""buildah: an image built here, pushed, and built upon."""

import json

from tests.parts.containers import Storage
from tests.parts.images import busybox, push
from tests.parts.server import Server, mounts, uploads

PLAIN = "--tls-verify=false"


def build(buildah: Storage, base: str, target: str) -> None:
    """Add a layer with /added to `base`, as `target`."""
    container = buildah("from", "--pull", PLAIN, base)
    source = buildah.folder / "added"
    source.write_text("added by buildah\n")
    buildah("copy", container, str(source), "/added")
    buildah("config", "--label", "made.by=buildah", container)
    buildah("commit", "--rm", container, target)


def test_a_built_image_is_stored_upon_its_base(
    buildah: Storage, podman: Storage, server: Server, repository: str
) -> None:
    base = busybox("base\n")
    push(server, repository, "base", base)
    name = f"{server.address}/{repository}:built"
    build(buildah, f"{server.address}/{repository}:base", name)
    with server.recording() as requests:
        buildah("push", PLAIN, name)

    stored = server.stored(repository, "built")
    assert stored.diff_ids()[: len(base.tars)] == base.diff_ids
    config = json.loads(stored.blobs[stored.json()["config"]["digest"]])
    assert config["config"]["Labels"]["made.by"] == "buildah"
    new = [each for each in requests if each.method == "PUT" and "/blobs/" in each.path]
    assert len(new) == 2, "the configuration and the added layer, none of the base"

    podman("pull", "--quiet", PLAIN, name)
    assert podman.run(name, "cat", "/text", "/added") == (0, "base\nadded by buildah\n")


def test_a_second_push_uploads_nothing(buildah: Storage, server: Server, repository: str) -> None:
    name = f"{server.address}/{repository}"
    push(server, repository, "base", busybox())
    build(buildah, f"{name}:base", f"{name}:built")
    buildah("push", PLAIN, f"{name}:built")
    with server.recording() as requests:
        buildah("push", PLAIN, f"{name}:built")
    assert uploads(requests) == []
    with server.recording() as requests:
        buildah("push", PLAIN, f"{name}:built", f"docker://{name}-b:built")
    assert len(mounts(requests)) >= 3, "two layers of the base and one added"


def test_a_manifest_list_is_pushed_whole(buildah: Storage, server: Server, repository: str) -> None:
    name = f"{server.address}/{repository}"
    image = busybox("listed\n")
    push(server, repository, "base", image)
    buildah("manifest", "create", "listed")
    buildah("manifest", "add", PLAIN, "listed", f"docker://{name}:base")
    buildah("manifest", "push", PLAIN, "--all", "listed", f"docker://{name}:listed")
    stored = server.stored(repository, "listed")
    assert [child.manifest for child in stored.children] == [image.manifest]
