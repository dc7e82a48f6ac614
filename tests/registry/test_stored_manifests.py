"""What is stored is served byte for byte, whatever it holds: some other registry took it once."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage.layout import BlobData, RevisionLink, TagLink
from storage.local import LocalNamespace
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.manifest import Manifest
from storage.oci.reference import Name, Tag
from tests.registry.client import CONFIG, Client, describe, image, index
from tests.storage.oci.test_manifest import descriptors, fields, json_values
from tests.storage.oci.vocabulary import digests

A = Name("a")
SUBJECT = describe(b"the subject", media.OCI_MANIFEST)
FALLBACK = str(SUBJECT["digest"]).replace(":", "-")
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"

odd_values = json_values | descriptors | st.lists(descriptors | json_values, max_size=3)
media_types = st.sampled_from([*sorted(media.MANIFESTS), "a/b\r\nX-Evil: 1", "text/html; charset=é", "", "x" * 70_000])
texts = st.dictionaries(fields, odd_values | media_types, max_size=6).map(json.dumps) | st.sampled_from(
    [json.dumps(image(subject=SUBJECT)), json.dumps(index(SUBJECT, {**SUBJECT, "size": None}, subject=SUBJECT))]
)
#: Half a surrogate pair, Latin-1, a byte too many or too few, and something in the middle.
marks = st.sampled_from([b"", b"\xf6", b"\\ud83d", b"\\", b'"', b"\xef\xbb\xbf", b"null", b"}", b"[" * 2000])


@st.composite
def stored(draw: st.DrawFn) -> bytes:
    """Bytes that lie somewhere between a manifest and noise."""
    raw = draw(texts).encode()
    at = draw(st.integers(0, len(raw)))
    return raw[:at] + draw(marks) + raw[at + draw(st.integers(0, 2)) :]


async def put(namespace: LocalNamespace, raw: bytes, *tags: str, name: Name = A) -> Digest:
    """Put a manifest into the storage, as another registry has."""
    digest = Digest.of(raw)
    await namespace.store.put(BlobData(digest).key, raw)
    await namespace.store.put(RevisionLink(name, digest).key, digest.encode())
    for tag in tags:
        await namespace.store.put(TagLink(name, Tag(tag)).key, digest.encode())
    return digest


@given(raw=stored() | st.binary(max_size=100))
@example(b'{"x":' * 100_000)
@example(b"")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("store", ["memory"], indirect=True)
async def test_whatever_is_stored_can_be_read_listed_and_deleted(
    client: Client, namespace: LocalNamespace, raw: bytes
) -> None:
    digest = await put(namespace, raw, "odd", FALLBACK)
    for reference in ("odd", digest):
        for method in ("GET", "HEAD"):
            headers = {"Accept": media.DOCKER_MANIFEST}
            answer = await client.ask(method, f"/v2/a/manifests/{reference}", headers=headers)
            assert (answer.status, answer.digest) == (200, digest)
            assert answer.body == (raw if method == "GET" else b"")
            assert "/" in answer.headers["Content-Type"]
    assert (await client.ask("GET", "/v2/a/tags/list")).json()["tags"] == sorted(["odd", FALLBACK])
    assert (await client.ask("GET", "/v2/_catalog")).json() == {"repositories": ["a"]}
    for subject in (SUBJECT["digest"], digest):
        assert (await client.ask("GET", f"/v2/a/referrers/{subject}")).json()["schemaVersion"] == 2
    assert (await client.ask("DELETE", f"/v2/a/manifests/{digest}")).status == 202
    assert (await client.ask("GET", "/v2/_catalog")).json() == {"repositories": []}


DEEP = json.dumps({**image(), "x": 0}).replace(": 0}", ": " + "[" * 5000 + "]" * 5000 + "}")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (json.dumps(image(mediaType=None)), media.OCI_MANIFEST),
        (json.dumps(image(mediaType=5)), media.OCI_MANIFEST),
        (json.dumps(image(mediaType="a/b\r\nc: d")), media.OCI_MANIFEST),
        (json.dumps({"schemaVersion": 2, "layers": []}), media.OCI_MANIFEST),
        (json.dumps(index(mediaType=None)), media.OCI_INDEX),
        (json.dumps({"schemaVersion": 2, "mediaType": media.DOCKER_LIST, "manifests": 5}), media.DOCKER_LIST),
        (json.dumps({"schemaVersion": 1, "fsLayers": []}), SCHEMA_1),
        (json.dumps({"schemaVersion": 1, "signatures": []}), SCHEMA_1.replace("json", "prettyjws")),
        (json.dumps({"mediaType": "application/vnd.example+json"}), "application/vnd.example+json"),
        (DEEP, media.OCI_MANIFEST),
        ("no JSON", media.OCTET_STREAM),
        ("[]", media.OCTET_STREAM),
        ("[" * 5000, media.OCTET_STREAM),
    ],
)
async def test_the_type_that_it_is_served_as(client: Client, namespace: LocalNamespace, raw: str, kind: str) -> None:
    await put(namespace, raw.encode(), "t")
    assert (await client.ask("GET", "/v2/a/manifests/t")).headers["Content-Type"] == kind


ODD: list[dict[str, Any]] = [
    {"config": None},
    {"config": {**describe(CONFIG), "size": "1"}},
    {"annotations": {"a": 1}},
    {"layers": [5, {"digest": "sha256:x"}, describe(CONFIG)]},
    {"x": json.loads("[" * 500 + "]" * 500)},
]


@pytest.mark.parametrize("more", ODD)
async def test_a_fallback_tag_lists_what_is_odd(
    client: Client, namespace: LocalNamespace, more: dict[str, Any]
) -> None:
    """Neither what is wrong in the index nor what is wrong in a manifest that it lists hides the rest."""
    attached = [image(subject=SUBJECT, artifactType="a/b", **more), image(subject=SUBJECT)]
    listed = [await put(namespace, json.dumps(document).encode()) for document in attached]
    children = [5, None, {"digest": None}, *({"digest": digest, "size": "odd"} for digest in listed)]
    await put(namespace, json.dumps({**index(), "manifests": children, **more} | {"config": None}).encode(), FALLBACK)
    answer = await client.ask("GET", f"/v2/a/referrers/{SUBJECT['digest']}")
    assert [each["digest"] for each in answer.json()["manifests"]] == listed


# Infinity is no JSON, and nobody takes it.
@given(digests, odd_values.filter(lambda value: "Infinity" not in json.dumps(value)))
def test_what_is_wrong_in_a_descriptor_does_not_hide_its_digest(digest: Digest, odd: Any) -> None:
    """What is not known to be referred to is taken for garbage one day."""
    wrong = {"digest": digest, "size": odd, "mediaType": odd, "annotations": odd, "platform": odd, "urls": odd}
    document = {"config": wrong, "layers": [odd, wrong], "manifests": [wrong], "blobs": [wrong], "subject": wrong}
    manifest = Manifest.stored(json.dumps(document).encode(), digest)
    found = [manifest.config, *manifest.layers[-1:], *manifest.children, manifest.subject]
    assert [descriptor.digest for descriptor in found if descriptor] == [digest] * 4
