"""Referrers: what is attached to a manifest, by the registry's own notes and by the tags of older clients."""

import asyncio
import json
import tracemalloc
from pathlib import Path

import pytest

from storage import layout
from storage.drivers.folder import FolderDriver
from storage.guard import Guard
from storage.layout import ReferrerMark, RevisionLink
from storage.local import LocalNamespace
from storage.local.namespace import LocalRepository
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.document import Descriptor
from storage.oci.manifest import SIZE_LIMIT, Index, Manifest, encode
from storage.oci.reference import Name, Tag
from tests.storage.local.content import CONFIG, image, index, push_blob, push_image

A, B = Name("a"), Name("b")


@pytest.fixture
async def repository(namespace: LocalNamespace) -> LocalRepository:
    await push_blob(namespace.repository(A), CONFIG)
    return namespace.repository(A)


async def attach(repository: LocalRepository, subject: Manifest, number: int = 0) -> Manifest:
    """Push a manifest with that subject."""
    manifest = image(subject=subject, artifactType="a/b", annotations={"number": str(number)})
    await repository.manifests.put(manifest)
    return manifest


async def described(repository: LocalRepository, subject: Digest) -> list[Descriptor]:
    """Give all of them, page after page."""
    descriptors: list[Descriptor] = []
    last = ""
    while True:
        page = await repository.referrers.page(subject, last)
        descriptors += page.descriptors
        assert page.last > last or not page.last
        if not page.last:
            return descriptors
        last = page.last


async def found(repository: LocalRepository, subject: Manifest) -> list[Digest]:
    return [descriptor.digest for descriptor in await described(repository, subject.digest)]


async def forget_note(namespace: LocalNamespace, subject: Manifest, referrer: Manifest) -> None:
    """Leave what another registry would have left: a manifest of which no note speaks."""
    mark = ReferrerMark(A, subject.digest, referrer.digest)
    pushed = layout.parse_time((await namespace.store.get(mark.key, limit=16)).decode())
    assert pushed is not None
    await namespace.store.delete(mark.descriptor(pushed).key)
    await namespace.store.delete(mark.key)


def fallback_tag(subject: Manifest) -> Tag:
    return Tag(str(subject.digest).replace(":", "-")[: len("sha256-") + 64])


async def test_referrers_are_described_as_the_specification_asks(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    attached = await attach(repository, subject, 7)
    (descriptor,) = await described(repository, subject.digest)
    assert descriptor == attached.descriptor
    assert (descriptor.artifact_type, descriptor.annotations) == ("a/b", {"number": "7"})


async def test_many_referrers_of_every_kind(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    attached = [(await attach(repository, subject, number)).digest for number in range(40)]
    document = {**json.loads(index().raw), "subject": json.loads(image(subject=subject).raw)["subject"]}
    attached_index = Manifest.parse(json.dumps(document).encode())
    await repository.manifests.put(attached_index)
    assert await found(repository, subject) == [*attached, attached_index.digest]


async def test_nothing_is_attached_to_what_is_not_there(namespace: LocalNamespace) -> None:
    assert await described(namespace.repository(A), Digest.of(b"none")) == []


async def test_the_subject_may_come_later_or_never_or_go_again(repository: LocalRepository) -> None:
    subject = image(b"later")
    attached = await attach(repository, subject)
    assert await found(repository, subject) == [attached.digest]
    await push_image(repository, layers=(b"later",))
    assert await found(repository, subject) == [attached.digest]
    await repository.manifests.delete(subject.digest)
    assert await found(repository, subject) == [attached.digest]


async def test_referrers_belong_to_their_repository(namespace: LocalNamespace, repository: LocalRepository) -> None:
    subject = await push_image(repository)
    await attach(repository, subject)
    assert await found(namespace.repository(B), subject) == []


async def test_a_deleted_referrer_is_gone_at_once(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    first, second = await attach(repository, subject, 1), await attach(repository, subject, 2)
    await repository.manifests.delete(first.digest)
    assert await found(repository, subject) == [second.digest]
    await repository.manifests.put(first)
    assert await found(repository, subject) == [second.digest, first.digest]


async def test_a_spoiled_note_is_left_out(namespace: LocalNamespace, repository: LocalRepository) -> None:
    subject = await push_image(repository)
    good, bad = await attach(repository, subject, 1), await attach(repository, subject, 2)
    places = [info.key async for info in namespace.store.list(layout.referrers(A, subject.digest))]
    await namespace.store.put(places[1], b"spoiled")
    await namespace.store.put(layout.referrers(A, subject.digest) + "odd", good.raw)
    assert await found(repository, subject) == [good.digest]
    await repository.manifests.put(bad)
    assert await found(repository, subject) == [good.digest, bad.digest]
    await namespace.store.put(ReferrerMark(A, subject.digest, bad.digest).key, b"spoiled")
    await repository.manifests.put(bad)
    assert await found(repository, subject) == [good.digest, bad.digest]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_what_a_fallback_tag_lists_is_merged(
    namespace: LocalNamespace, repository: LocalRepository, algorithm: str
) -> None:
    """As a registry without referrers left it: the manifests are there, and no note speaks of them."""
    plain = image(b"subject")
    subject = Manifest.parse(plain.raw, digest=Digest.of(plain.raw, algorithm))
    old, new = await attach(repository, subject, 1), await attach(repository, subject, 2)
    await forget_note(namespace, subject, old)
    assert await found(repository, subject) == [new.digest]
    await repository.manifests.put(index(old, new), [fallback_tag(subject)])
    descriptors = await described(repository, subject.digest)
    assert descriptors == [old.descriptor, new.descriptor]
    assert fallback_tag(subject) in [tag async for tag in repository.tags.list()]


async def test_a_fallback_tag_cannot_claim_what_is_not_so(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    stranger = await push_image(repository, layers=(b"no subject",))
    elsewhere = await attach(repository, stranger)
    await repository.manifests.put(index(stranger, elsewhere), [fallback_tag(subject)])
    assert await described(repository, subject.digest) == []


async def test_a_fallback_tag_may_be_any_image(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    await push_image(repository, fallback_tag(subject), layers=(b"just an image",))
    assert await described(repository, subject.digest) == []


async def test_a_deleted_referrer_is_gone_though_a_fallback_tag_lists_it(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    attached = await attach(repository, subject)
    await repository.manifests.put(index(attached), [fallback_tag(subject)])
    await repository.manifests.delete(attached.digest)
    assert await described(repository, subject.digest) == []


async def test_an_image_shows_the_type_of_its_configuration(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    await repository.manifests.put(image(subject=subject))
    (descriptor,) = await described(repository, subject.digest)
    assert descriptor.artifact_type == media.OCI_CONFIG


async def test_the_newest_is_the_last_whatever_was_pushed_again(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    attached = [await attach(repository, subject, number) for number in range(40)]
    for again in attached[::7]:
        await repository.manifests.put(again)
    assert await found(repository, subject) == [each.digest for each in attached]


async def test_a_referrer_that_is_pushed_by_many_at_once_is_listed_once(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    manifest = image(subject=subject)
    await asyncio.gather(*(repository.manifests.put(manifest) for _ in range(20)))
    assert await found(repository, subject) == [manifest.digest]
    await repository.manifests.delete(manifest.digest)
    assert await found(repository, subject) == []


async def test_what_another_registry_deleted_is_not_listed(
    namespace: LocalNamespace, repository: LocalRepository
) -> None:
    subject = await push_image(repository)
    gone, here = await attach(repository, subject, 1), await attach(repository, subject, 2)
    await namespace.store.delete(RevisionLink(A, gone.digest).key)
    assert await found(repository, subject) == [here.digest]


@pytest.mark.parametrize("noted", [True, False], ids=["notes", "fallback tag"])
async def test_no_page_is_larger_than_a_manifest_may_be(
    namespace: LocalNamespace, repository: LocalRepository, noted: bool
) -> None:
    subject = await push_image(repository)
    annotations = [{"n": str(number), "statement": "y" * size} for number, size in enumerate([900_000] * 9 + [10] * 40)]
    attached = [image(subject=subject, annotations=each) for each in annotations]
    for manifest in attached:
        await repository.manifests.put(manifest)
        if not noted:
            await forget_note(namespace, subject, manifest)
    if not noted:
        await repository.manifests.put(index(*attached), [fallback_tag(subject)])
    pages, last = [], ""
    while not pages or last:
        page = await repository.referrers.page(subject.digest, last)
        assert len(encode(Index(manifests=page.descriptors))) <= SIZE_LIMIT
        pages.append(page.descriptors)
        last = page.last
    assert [descriptor for page in pages for descriptor in page] == [each.descriptor for each in attached]
    assert [len(page) for page in pages] == [4, 4, 41]


async def test_what_no_page_holds_is_left_out_of_a_descriptor(repository: LocalRepository) -> None:
    """A byte that is no UTF-8 takes three when it is written again."""
    subject = await push_image(repository)
    for number, field in enumerate(("annotations", "artifactType")):
        raw = image(subject=subject, **{field: {"a": "BYTE"} if field == "annotations" else "BYTE"}).raw
        raw = raw.replace(b"BYTE", b"\xf6" * 2_000_000)
        await repository.manifests.put(Manifest.pushed(raw, media.OCI_MANIFEST, Digest.of(raw)))
        descriptors = await described(repository, subject.digest)
        assert (descriptors[number].digest, descriptors[number].size) == (Digest.of(raw), len(raw))
        assert (descriptors[number].annotations, descriptors[number].urls) == (None, None)


async def test_one_page_keeps_no_more_in_memory_than_it_holds(tmp_path: Path) -> None:
    """As many as 240 MB of annotations may hang on one subject, and anybody who may pull may ask for them."""
    store = Guard(FolderDriver(tmp_path))
    repository = LocalNamespace(store).repository(A)
    subject = await push_image(repository)
    for number in range(30):
        await repository.manifests.put(image(subject=subject, annotations={str(number): "x" * (SIZE_LIMIT - 3000)}))
    tracemalloc.start()
    page = await repository.referrers.page(subject.digest)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(page.descriptors), page.last > "") == (1, True)
    assert most < 6 * SIZE_LIMIT
    await store.aclose()
