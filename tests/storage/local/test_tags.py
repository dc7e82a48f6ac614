"""Tags: their order, what they point to, and what is left when they go."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.drivers.memory import MemoryDriver
from storage.guard import Guard
from storage.layout import RevisionLink, TagHistoryLink, TagLink
from storage.local import LocalNamespace
from storage.oci.digest import Digest
from storage.oci.errors import ManifestUnknown, NameUnknown
from storage.oci.reference import Name, Tag
from tests.storage.local.content import image, push_blob, push_image
from tests.storage.oci.vocabulary import tags

A = Name("a")
DIGEST = Digest.of(b"")


async def listed(namespace: LocalNamespace, start_after: str = "") -> list[str]:
    return [str(tag) async for tag in namespace.repository(A).tags.list(start_after)]


async def point(namespace: LocalNamespace, *some: str) -> None:
    await namespace.store.put(RevisionLink(A, DIGEST).key, DIGEST.encode())
    await asyncio.gather(*(namespace.repository(A).tags.set(Tag(tag), DIGEST) for tag in some))


@given(st.lists(tags, unique=True, min_size=1, max_size=8), tags | st.text("01.-_aZ/", max_size=3))
async def test_tags_are_in_byte_order_from_any_point_on(some: list[str], start: str) -> None:
    namespace = LocalNamespace(Guard(MemoryDriver()))
    await point(namespace, *some)
    assert await listed(namespace) == sorted(some)
    assert await listed(namespace, start) == sorted(tag for tag in some if tag > start)


async def test_more_tags_than_are_looked_at_together(namespace: LocalNamespace) -> None:
    some = sorted([f"{number}" for number in range(100)] + ["v", "v-1", "v.1", "v1", "_"])
    await point(namespace, *some)
    assert await listed(namespace) == some
    for position in range(0, len(some), 9):
        assert await listed(namespace, some[position]) == some[position + 1 :]


async def test_a_repository_without_tags_has_none_and_no_repository_is_unknown(namespace: LocalNamespace) -> None:
    with pytest.raises(NameUnknown):
        await listed(namespace)
    blob = await push_blob(namespace.repository(A), b"x")
    assert await listed(namespace) == []
    await namespace.repository(A).blobs.delete(blob)
    with pytest.raises(NameUnknown):
        await listed(namespace)
    manifest = await push_image(namespace.repository(A))
    assert await listed(namespace) == []
    assert await listed(namespace, "zzz") == []
    await namespace.repository(A).manifests.delete(manifest.digest)
    assert await listed(namespace) == []


async def test_the_last_page_of_a_repository_with_tags_is_empty(namespace: LocalNamespace) -> None:
    await push_image(namespace.repository(A), "t")
    assert await listed(namespace, "t") == []


async def test_a_tag_moves_and_what_it_pointed_to_stays(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    first = await push_image(repository, "t")
    second = await push_image(repository, "t", layers=(b"more",))
    assert await repository.manifests.get(Tag("t")) == second
    assert await repository.manifests.get(first.digest) == first


async def test_a_tag_is_deleted_alone(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    manifest = await push_image(repository, "a", "b")
    # registry:2 keeps a history below the tag; it goes with the tag.
    await namespace.store.put(TagHistoryLink(A, Tag("a"), manifest.digest).key, manifest.digest.encode())
    await repository.tags.delete(Tag("a"))
    assert await listed(namespace) == ["b"]
    assert await repository.manifests.get(manifest.digest) == manifest
    assert not [info.key async for info in namespace.store.list("") if "/tags/a/" in info.key]
    for deleted in ("a", "never"):
        with pytest.raises(ManifestUnknown):
            await repository.tags.delete(Tag(deleted))
        with pytest.raises(ManifestUnknown):
            await repository.manifests.get(Tag(deleted))


@pytest.mark.parametrize("content", [b"", b"sha256:", b"\xff", b"x" * 300, b"sha256:" + b"A" * 64])
async def test_a_tag_that_says_nothing_is_no_tag(namespace: LocalNamespace, content: bytes) -> None:
    repository = namespace.repository(A)
    manifest = await push_image(repository, "good", "spoiled")
    await namespace.store.put(TagLink(A, Tag("spoiled")).key, content)
    assert await listed(namespace) == ["good"]
    with pytest.raises(ManifestUnknown):
        await repository.manifests.get(Tag("spoiled"))
    await repository.manifests.put(manifest, [Tag("spoiled")])
    assert await repository.manifests.get(Tag("spoiled")) == manifest


async def test_a_link_with_a_newline_is_one_that_people_wrote_by_hand(namespace: LocalNamespace) -> None:
    manifest = await push_image(namespace.repository(A))
    await namespace.store.put(TagLink(A, Tag("t")).key, manifest.digest.encode() + b"\n")
    assert await namespace.repository(A).manifests.get(Tag("t")) == manifest


async def test_a_tag_pushed_by_many_at_once_points_to_one_of_theirs(namespace: LocalNamespace) -> None:
    repository = namespace.repository(A)
    await push_image(repository)
    images = [image(annotations={"number": str(number)}) for number in range(10)]
    await asyncio.gather(*(repository.manifests.put(each, [Tag("t")]) for each in images))
    assert await repository.manifests.get(Tag("t")) in images
    for each in images:
        assert await repository.manifests.get(each.digest) == each
