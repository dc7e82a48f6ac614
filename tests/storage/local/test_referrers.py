"""Referrers: what is attached to a manifest, by the registry's own notes and by the tags of older clients."""

import json

import pytest

from storage.layout import ReferrerDescriptor
from storage.local import LocalNamespace
from storage.local.namespace import LocalRepository
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.manifest import Manifest
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


async def found(repository: LocalRepository, subject: Manifest) -> set[Digest]:
    return {descriptor.digest for descriptor in await repository.referrers.list(subject.digest)}


def fallback_tag(subject: Manifest) -> Tag:
    return Tag(str(subject.digest).replace(":", "-")[: len("sha256-") + 64])


async def test_referrers_are_described_as_the_specification_asks(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    attached = await attach(repository, subject, 7)
    (descriptor,) = await repository.referrers.list(subject.digest)
    assert descriptor == attached.descriptor
    assert (descriptor.artifact_type, descriptor.annotations) == ("a/b", {"number": "7"})


async def test_many_referrers_of_every_kind(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    attached = {(await attach(repository, subject, number)).digest for number in range(40)}
    document = {**json.loads(index().raw), "subject": json.loads(image(subject=subject).raw)["subject"]}
    attached_index = Manifest.parse(json.dumps(document).encode())
    await repository.manifests.put(attached_index)
    assert await found(repository, subject) == attached | {attached_index.digest}


async def test_nothing_is_attached_to_what_is_not_there(namespace: LocalNamespace) -> None:
    assert await namespace.repository(A).referrers.list(Digest.of(b"none")) == []


async def test_the_subject_may_come_later_or_never_or_go_again(repository: LocalRepository) -> None:
    subject = image(b"later")
    attached = await attach(repository, subject)
    assert await found(repository, subject) == {attached.digest}
    await push_image(repository, layers=(b"later",))
    assert await found(repository, subject) == {attached.digest}
    await repository.manifests.delete(subject.digest)
    assert await found(repository, subject) == {attached.digest}


async def test_referrers_belong_to_their_repository(namespace: LocalNamespace, repository: LocalRepository) -> None:
    subject = await push_image(repository)
    await attach(repository, subject)
    assert await found(namespace.repository(B), subject) == set()


async def test_a_deleted_referrer_is_gone_at_once(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    first, second = await attach(repository, subject, 1), await attach(repository, subject, 2)
    await repository.manifests.delete(first.digest)
    assert await found(repository, subject) == {second.digest}
    await repository.manifests.put(first)
    assert await found(repository, subject) == {first.digest, second.digest}


async def test_a_spoiled_note_is_left_out(namespace: LocalNamespace, repository: LocalRepository) -> None:
    subject = await push_image(repository)
    good, bad = await attach(repository, subject, 1), await attach(repository, subject, 2)
    await namespace.store.put(ReferrerDescriptor(A, subject.digest, bad.digest).key, b"spoiled")
    assert await found(repository, subject) == {good.digest}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_what_a_fallback_tag_lists_is_merged(
    namespace: LocalNamespace, repository: LocalRepository, algorithm: str
) -> None:
    """As a registry without referrers left it: the manifests are there, and no note speaks of them."""
    plain = image(b"subject")
    subject = Manifest.parse(plain.raw, digest=Digest.of(plain.raw, algorithm))
    old, new = await attach(repository, subject, 1), await attach(repository, subject, 2)
    await namespace.store.delete(ReferrerDescriptor(A, subject.digest, old.digest).key)
    assert await found(repository, subject) == {new.digest}
    await repository.manifests.put(index(old, new), [fallback_tag(subject)])
    descriptors = await repository.referrers.list(subject.digest)
    assert sorted(descriptor.digest for descriptor in descriptors) == sorted([old.digest, new.digest])
    assert old.descriptor in descriptors
    assert fallback_tag(subject) in [tag async for tag in repository.tags.list()]


async def test_a_fallback_tag_cannot_claim_what_is_not_so(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    stranger = await push_image(repository, layers=(b"no subject",))
    elsewhere = await attach(repository, stranger)
    await repository.manifests.put(index(stranger, elsewhere), [fallback_tag(subject)])
    assert await repository.referrers.list(subject.digest) == []


async def test_a_fallback_tag_may_be_any_image(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    await push_image(repository, fallback_tag(subject), layers=(b"just an image",))
    assert await repository.referrers.list(subject.digest) == []


async def test_a_deleted_referrer_is_gone_though_a_fallback_tag_lists_it(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    attached = await attach(repository, subject)
    await repository.manifests.put(index(attached), [fallback_tag(subject)])
    await repository.manifests.delete(attached.digest)
    assert await repository.referrers.list(subject.digest) == []


async def test_an_image_shows_the_type_of_its_configuration(repository: LocalRepository) -> None:
    subject = await push_image(repository)
    await repository.manifests.put(image(subject=subject))
    (descriptor,) = await repository.referrers.list(subject.digest)
    assert descriptor.artifact_type == media.OCI_CONFIG
