"""Manifests: kept byte for byte, complete when they are pushed, gone with their tags."""

import json

import pytest

from storage.guard import Guard
from storage.layout import BlobData
from storage.local import LocalNamespace
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.errors import BlobUnknown, ManifestBlobUnknown, ManifestUnknown
from storage.oci.manifest import Manifest
from storage.oci.reference import Name, Tag
from tests.storage.local.content import CONFIG, describe, image, index, push_blob, push_image

A, B = Name("a"), Name("b")


async def test_what_is_pulled_is_what_was_pushed(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    await push_blob(repository, CONFIG)
    # Odd white space, and a key twice that nobody knows: the bytes are the truth.
    raw = image().raw.replace(b"{", b'{ \n\t"x": 1, "x": 2,', 1)
    manifest = Manifest.parse(raw)
    await repository.manifests.put(manifest, [Tag("t")])
    for reference in (Tag("t"), manifest.digest):
        pulled = await LocalNamespace(namespace.store).repository(A).manifests.get(reference)
        assert (pulled.raw, pulled.media_type, pulled.digest) == (raw, media.OCI_MANIFEST, Digest.of(raw))


async def test_a_manifest_by_sha512_is_known_by_that_alone(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    await push_blob(repository, CONFIG)
    raw = image().raw
    manifest = Manifest.parse(raw, digest=Digest.of(raw, "sha512"))
    await repository.manifests.put(manifest, [Tag("t")])
    assert (await repository.manifests.get(Tag("t"))).digest == Digest.of(raw, "sha512")
    with pytest.raises(ManifestUnknown):
        await repository.manifests.get(Digest.of(raw))


async def test_a_manifest_belongs_to_its_repository_and_is_no_blob(namespace: LocalNamespace) -> None:
    manifest = await push_image(namespace.repository(A), "t")
    for reference in (Tag("t"), manifest.digest):
        with pytest.raises(ManifestUnknown):
            await namespace.repository(B).manifests.get(reference)
    with pytest.raises(BlobUnknown):
        await namespace.repository(A).blobs.get(manifest.digest)
    with pytest.raises(ManifestUnknown):
        await namespace.repository(A).manifests.get(Digest.of(CONFIG))


async def test_all_that_a_manifest_refers_to_must_be_in_its_repository(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    manifest = image(b"here", b"missing")
    await push_blob(repository, CONFIG)
    await push_blob(repository, b"here")
    await push_blob(namespace.repository(B), b"missing")
    with pytest.raises(ManifestBlobUnknown) as refusal:
        await repository.manifests.put(manifest, [Tag("t")])
    assert refusal.value.detail == [{"digest": Digest.of(b"missing")}]
    for reference in (Tag("t"), manifest.digest):
        with pytest.raises(ManifestUnknown):
            await repository.manifests.get(reference)
    assert await repository.blobs.mount(Digest.of(b"missing"), B)
    await repository.manifests.put(manifest, [Tag("t")])
    assert await repository.manifests.get(Tag("t")) == manifest


async def test_the_children_of_an_index_are_manifests_or_blobs_of_its_repository(namespace: LocalNamespace) -> None:
    """BuildKit's cache is an index of layers."""
    repository = namespace.repository(A)
    child = await push_image(namespace.repository(B))
    layer = await push_blob(repository, b"layer")
    document = json.loads(index(child).raw)
    document["manifests"].append(describe(b"layer"))
    cache = Manifest.parse(json.dumps(document).encode())
    with pytest.raises(ManifestBlobUnknown) as refusal:
        await repository.manifests.put(cache)
    assert refusal.value.detail == [{"digest": child.digest}]
    await push_image(repository)
    await repository.manifests.put(cache)
    assert [found.digest for found in (await repository.manifests.get(cache.digest)).children] == [child.digest, layer]


async def test_what_lies_elsewhere_and_the_subject_need_not_be_there(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    await push_blob(repository, CONFIG)
    foreign = describe(b"far", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    manifest = image(layers=[foreign, {**describe(b"away"), "urls": ["https://away.example"]}], subject=image(b"none"))
    await repository.manifests.put(manifest)
    assert await repository.manifests.get(manifest.digest) == manifest


async def test_a_sparse_registry_takes_a_manifest_alone(store: Guard) -> None:
    sparse = LocalNamespace(store, sparse=True).repository(A)
    for manifest in (image(b"missing"), index(image(b"missing as well"))):
        await sparse.manifests.put(manifest, [Tag("t")])
        assert await sparse.manifests.get(Tag("t")) == manifest
        with pytest.raises(ManifestBlobUnknown):
            await LocalNamespace(store).repository(A).manifests.put(manifest)


async def test_a_manifest_goes_with_every_tag_that_points_to_it(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    manifest = await push_image(repository, *(f"t{number}" for number in range(40)))
    other = await push_image(repository, "other", layers=(b"x",))
    await push_image(namespace.repository(B), "t0")
    await repository.manifests.delete(manifest.digest)
    assert [tag async for tag in repository.tags.list()] == ["other"]
    assert await repository.manifests.get(Tag("other")) == other
    assert await namespace.repository(B).manifests.get(Tag("t0")) == manifest
    for reference in (Tag("t0"), manifest.digest):
        with pytest.raises(ManifestUnknown):
            await repository.manifests.get(reference)
    with pytest.raises(ManifestUnknown):
        await repository.manifests.delete(manifest.digest)


async def test_a_deleted_manifest_can_be_pushed_again(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    manifest = await push_image(repository, "t")
    await repository.manifests.delete(manifest.digest)
    await repository.manifests.put(manifest, [Tag("t")])
    assert await repository.manifests.get(Tag("t")) == manifest


@pytest.mark.parametrize("spoiled", [b"", b"not JSON", b'{"schemaVersion": 2}', None])
async def test_spoiled_bytes_are_never_served_and_a_push_heals_them(store: Guard, spoiled: bytes | None) -> None:
    manifest = await push_image(LocalNamespace(store).repository(A), "t")
    key = BlobData(manifest.digest).key
    await (store.delete(key) if spoiled is None else store.put(key, spoiled))
    fresh = LocalNamespace(store).repository(A)
    for reference in (Tag("t"), manifest.digest):
        with pytest.raises(ManifestUnknown):
            await fresh.manifests.get(reference)
    await fresh.manifests.put(manifest)
    assert await fresh.manifests.get(Tag("t")) == manifest


async def test_a_spoiled_manifest_can_be_deleted(store: Guard) -> None:
    manifest = await push_image(LocalNamespace(store).repository(A), "t")
    await store.put(BlobData(manifest.digest).key, b"spoiled")
    repository = LocalNamespace(store).repository(A)
    await repository.manifests.delete(manifest.digest)
    with pytest.raises(ManifestUnknown):
        await repository.manifests.delete(manifest.digest)
