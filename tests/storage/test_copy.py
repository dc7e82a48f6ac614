"""Copying between repositories, each behind a real registry."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.copy import Progress, copy
from storage.oci.digest import Digest
from storage.oci.errors import DigestInvalid, ManifestUnknown
from storage.oci.reference import parse_name, parse_tag
from storage.remote.client import RemoteNamespace
from storage.remote.endpoint import Endpoint
from tests.parts.images import data, multi_arch, push
from tests.parts.server import Server, mounts, serving, uploads
from tests.parts.wire import sha256

TAG = parse_tag("1")


@pytest.fixture
async def here(server: Server) -> AsyncIterator[RemoteNamespace]:
    """The registry that is copied from."""
    namespace = RemoteNamespace(Endpoint.of(server.address))
    yield namespace
    await namespace.aclose()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another registry."""
    with serving(tmp_path_factory.mktemp("other")) as running:
        yield running


@pytest.fixture
async def there(other: Server) -> AsyncIterator[RemoteNamespace]:
    """The registry that is copied to."""
    namespace = RemoteNamespace(Endpoint.of(other.address))
    yield namespace
    await namespace.aclose()


async def test_an_image_arrives_whole_and_its_progress_is_told(
    server: Server, other: Server, here: RemoteNamespace, there: RemoteNamespace, repository: str
) -> None:
    image, name = data("copy", layers=6), parse_name(repository)
    push(server, repository, "1", image)
    steps: list[Progress] = []
    copied = await copy(
        here.repository(name), there.repository(name), TAG, [parse_tag("a"), parse_tag("b")], report=steps.append
    )
    assert copied.digest == image.digest
    for tag in ("a", "b"):
        stored = other.stored(repository, tag)
        assert (stored.manifest, stored.blobs) == (image.manifest, image.blobs)
    assert {step.digest for step in steps if step.state == "copied"} == set(image.blobs)
    assert all(step.done == step.size for step in steps if step.state == "copied")
    assert any(step.done > 0 for step in steps if step.state == "copying")


async def test_what_the_target_has_is_not_sent_again(
    server: Server, other: Server, here: RemoteNamespace, there: RemoteNamespace, repository: str
) -> None:
    image, name = data("again", layers=2), parse_name(repository)
    push(server, repository, "1", image)
    await copy(here.repository(name), there.repository(name), TAG, [TAG])
    steps: list[Progress] = []
    with other.recording() as requests:
        await copy(here.repository(name), there.repository(name), TAG, [TAG], report=steps.append)
    assert uploads(requests) == []
    assert [step.state for step in steps] == ["exists"] * 3


async def test_within_a_registry_blobs_are_mounted(server: Server, here: RemoteNamespace, repository: str) -> None:
    image = data("mount", layers=2)
    push(server, repository, "1", image)
    source, target = parse_name(repository), parse_name(f"{repository}/copy")
    with server.recording() as requests:
        await copy(here.repository(source), here.repository(target), TAG, [TAG], same_registry=True)
    assert len(mounts(requests)) == len(uploads(requests)) == 3
    assert server.stored(target, "1").blobs == image.blobs


async def test_an_index_goes_with_its_images_and_last(
    server: Server, other: Server, here: RemoteNamespace, there: RemoteNamespace, repository: str
) -> None:
    index, name = multi_arch("copy"), parse_name(repository)
    push(server, repository, "1", index)
    with other.recording() as requests:
        await copy(here.repository(name), there.repository(name), TAG, [TAG])
    stored = other.stored(repository, "1")
    assert stored.manifest == index.manifest
    assert [child.manifest for child in stored.children] == [image.manifest for image in index.images]
    puts = [each.path.rpartition("/")[2] for each in requests if each.method == "PUT" and "/manifests/" in each.path]
    assert puts == [*(image.digest for image in index.images), "1"]


async def test_a_blob_that_an_index_lists_is_copied_as_one(
    server: Server, other: Server, here: RemoteNamespace, there: RemoteNamespace, repository: str
) -> None:
    """BuildKit exports its cache so."""
    blob = server.push_blob(repository, b"cache")
    entry = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": blob, "size": 5}
    kind = "application/vnd.oci.image.index.v1+json"
    document = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}).encode()
    server.push_manifest(repository, "1", document, kind)
    name = parse_name(repository)
    await copy(here.repository(name), there.repository(name), TAG, [TAG])
    assert other.blob(repository, blob) == b"cache"


async def test_without_a_tag_the_copy_is_found_by_its_digest(
    server: Server, other: Server, here: RemoteNamespace, there: RemoteNamespace, repository: str
) -> None:
    image, name = data("untagged", layers=1, size=1000), parse_name(repository)
    push(server, repository, "1", image)
    await copy(here.repository(name), there.repository(name), Digest(image.digest))
    assert other.stored(repository, image.digest).manifest == image.manifest
    assert other.tags(repository) == []


async def test_what_the_source_lacks_is_said(
    here: RemoteNamespace, there: RemoteNamespace, other: Server, repository: str
) -> None:
    name = parse_name(repository)
    with pytest.raises(ManifestUnknown):
        await copy(here.repository(name), there.repository(name), TAG, [TAG])
    assert other.tags(repository) == []


async def test_a_spoiled_source_leaves_nothing_behind(
    server: Server, other: Server, here: RemoteNamespace, there: RemoteNamespace, repository: str
) -> None:
    image, name = data("spoiled", layers=2, size=1 << 16), parse_name(repository)
    push(server, repository, "1", image)
    digest = sha256(image.layers[0])[7:]
    stored = Path(server.storage) / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    stored.write_bytes(bytes(len(image.layers[0])))
    with pytest.raises(DigestInvalid):
        await copy(here.repository(name), there.repository(name), TAG, [TAG])
    assert other.tags(repository) == []
    assert list(other.storage.rglob("_uploads/*")) == []
    assert other.status(repository, image.digest) == 404
