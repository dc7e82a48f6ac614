"""The catalog: which repositories there are, in byte order, from any point on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.drivers.folder import FolderDriver
from storage.drivers.memory import MemoryDriver
from storage.guard import Guard
from storage.layout import LayerLink, RevisionLink, TagLink, UploadData
from storage.local import LocalNamespace
from storage.oci.digest import Digest
from storage.oci.reference import Name, Tag
from tests.storage.local.content import push_blob, push_image
from tests.storage.oci.vocabulary import names

DIGEST = Digest.of(b"")
# '-' and '.' sort before '/', and letters behind it: the order of a tree's folders is not that of the names.
HARD = [
    "a",
    "a-b",
    "a-b/c",
    "a-b/c-d",
    "a.b",
    "a/b",
    "a/b-c",
    "a/b/c",
    "a0",
    "ab",
    "ab/a",
    "b/blobs/uploads",
    "b/tags/list",
]
BETWEEN = [
    "",
    "!",
    "a!",
    "a-",
    "a-b/",
    "a-b/c/",
    "a.",
    "a/",
    "a/b/",
    "a/b/c/d",
    "a/z",
    "a0/x",
    "aa",
    "z",
    "Z",
    "~",
    "\udcff",
    "ä",
]


async def catalog(namespace: LocalNamespace, start_after: str = "") -> list[str]:
    return [str(name) async for name in namespace.repositories(start_after)]


async def fill(namespace: LocalNamespace, names_to_be: list[str]) -> None:
    for name in reversed(names_to_be):
        await namespace.store.put(RevisionLink(Name(name), DIGEST).key, DIGEST.encode())


async def test_the_catalog_is_in_byte_order_from_any_point_on(namespace: LocalNamespace) -> None:
    await fill(namespace, HARD)
    assert sorted(HARD) == HARD
    assert await catalog(namespace) == HARD
    for start in HARD + BETWEEN:
        assert await catalog(namespace, start) == [name for name in HARD if name > start], start


@given(st.lists(names, unique=True, max_size=6), names | st.text("ab-./", max_size=6))
async def test_any_names_from_any_point_on(some: list[str], start: str) -> None:
    namespace = LocalNamespace(Guard(MemoryDriver()))
    await fill(namespace, some)
    assert await catalog(namespace) == sorted(some)
    assert await catalog(namespace, start) == sorted(name for name in some if name > start)


async def test_a_repository_is_one_that_holds_a_manifest(namespace: LocalNamespace) -> None:
    await namespace.store.put(LayerLink(Name("blobs"), DIGEST).key, b"")
    await namespace.store.put(TagLink(Name("tags"), Tag("x")).key, DIGEST.encode())
    async with await namespace.store.upload(UploadData(Name("uploads"), "0").key):
        assert await catalog(namespace) == []
    manifest = await push_image(namespace.repository(Name("image")), "latest")
    assert await catalog(namespace) == ["image"]
    await namespace.repository(Name("image")).manifests.delete(manifest.digest)
    assert await catalog(namespace) == []


async def test_what_other_programs_left_in_the_tree_is_passed_over(tmp_path: Path) -> None:
    namespace = LocalNamespace(Guard(FolderDriver(tmp_path)))
    await fill(namespace, ["a", "b/c"])
    repositories = tmp_path / "docker/registry/v2/repositories"
    for folder in (
        "empty",
        "a/empty/below",
        "b/_odd",
        "_odd/_manifests/revisions/sha256",
        "Upper/_manifests/revisions/x",
    ):
        (repositories / folder).mkdir(parents=True)
    (repositories / "file").write_text("x")
    (repositories / "a/file").write_text("x")
    assert await catalog(namespace) == ["a", "b/c"]
    await namespace.aclose()


async def test_an_empty_store_has_no_repositories(namespace: LocalNamespace) -> None:
    assert await catalog(namespace) == []
    assert await catalog(namespace, "a/b") == []


async def test_two_registries_over_one_store_see_the_same(store: Guard) -> None:
    one, two = LocalNamespace(store), LocalNamespace(store)
    manifest = await push_image(one.repository(Name("a")), "t")
    assert (await two.repository(Name("a")).manifests.get(Tag("t"))) == manifest
    await two.repository(Name("a")).manifests.delete(manifest.digest)
    assert await catalog(one) == []
    content = b"pushed to one, pulled from two"
    digest = await push_blob(one.repository(Name("b")), content)
    assert (await two.repository(Name("b")).blobs.get(digest)).size == len(content)


@pytest.mark.parametrize("name", ["a", "/".join(["a"] * 128), "a" * 255])
async def test_names_at_their_limit_are_kept(namespace: LocalNamespace, name: str) -> None:
    await push_image(namespace.repository(Name(name)), "t" * 128)
    assert await catalog(namespace) == [name]
    assert [tag async for tag in namespace.repository(Name(name)).tags.list()] == ["t" * 128]
