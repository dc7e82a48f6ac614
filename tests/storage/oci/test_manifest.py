"""Manifests: what may be pushed, what is read from it, and that nothing but ManifestInvalid comes of the rest."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.document import Descriptor, decode_descriptor
from storage.oci.errors import ManifestInvalid
from storage.oci.manifest import Index, Manifest, encode
from tests.storage.oci.vocabulary import digests

D1, D2, D3 = (Digest(f"sha256:{digit * 64}") for digit in "123")

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | digests,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "blobs", "subject", "artifactType", "annotations"]
)
descriptors = st.fixed_dictionaries(
    {"mediaType": st.text(max_size=20), "digest": digests, "size": st.integers(0, 2**53)},
    optional={
        "urls": st.lists(st.text(max_size=10), max_size=2) | st.none(),
        "annotations": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2) | st.none(),
        "artifactType": st.text(max_size=10),
        "data": st.text(max_size=10),
        "platform": st.fixed_dictionaries({"os": st.text(max_size=5), "architecture": st.text(max_size=5)}),
    },
)


def descriptor(digest: str, media_type: str = media.OCI_LAYER, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": 1, **more}


def image(**more: object) -> dict[str, object]:
    return {"schemaVersion": 2, "config": descriptor(D1, media.OCI_CONFIG), "layers": [descriptor(D2)], **more}


def index(**more: object) -> dict[str, object]:
    return {"schemaVersion": 2, "manifests": [descriptor(D3, media.OCI_MANIFEST)], **more}


def parse(document: object, media_type: str = "") -> Manifest:
    return Manifest.parse(json.dumps(document).encode(), media_type)


@given(st.binary(max_size=200), st.sampled_from(["", *sorted(media.MANIFESTS)]))
def test_arbitrary_bytes_are_invalid(raw: bytes, media_type: str) -> None:
    with pytest.raises(ManifestInvalid):
        Manifest.parse(raw, media_type)


@given(
    st.dictionaries(fields, json_values | descriptors | st.lists(descriptors, max_size=2)),
    st.sampled_from(sorted(media.MANIFESTS)),
)
def test_arbitrary_json_is_read_or_invalid(document: dict[str, object], media_type: str) -> None:
    raw = json.dumps(document).encode()
    stored = Manifest.stored(raw, Digest.of(raw))
    for read in (
        lambda: Manifest.parse(raw, media_type),
        lambda: Manifest.pushed(raw, media_type, stored.digest),
        lambda: stored,
    ):
        try:
            manifest = read()
        except ManifestInvalid as refusal:
            json.dumps(refusal.detail)
        else:
            assert manifest.raw == raw
            assert decode_descriptor(encode(manifest.descriptor)) == manifest.descriptor
            # What is taken is understood in the same way ever after.
            assert (manifest, manifest.document) == (stored, stored.document)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"2",
        b'"x"',
        b"{",
        b"{}",
        b"\xff\xfe",
        b'{"schemaVersion": 2, "mediaType": "\xff"}',
        b'{"schemaVersion": 2, "mediaType": "\\ud800"}',
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"config":' * 100_000,
        b'{"schemaVersion": 1e999}',
        b'{"schemaVersion": 99999999999999999999999999}',
    ],
)
@pytest.mark.parametrize("media_type", ["", media.OCI_MANIFEST])
def test_json_that_is_no_manifest(raw: bytes, media_type: str) -> None:
    with pytest.raises(ManifestInvalid):
        Manifest.parse(raw, media_type)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"mediaType": "a", "size": 1},
        {"mediaType": "a", "digest": D1},
        {"mediaType": "a", "digest": "sha256:x", "size": 1},
        {"mediaType": "a", "digest": None, "size": 1},
        {"mediaType": "a", "digest": 5, "size": 1},
        {"mediaType": "a", "digest": D1, "size": -1},
        {"mediaType": "a", "digest": D1, "size": 1.5},
        {"mediaType": "a", "digest": D1, "size": "1"},
        {"mediaType": "a", "digest": D1, "size": 10**30},
        {"mediaType": "a", "digest": D1, "size": 1, "urls": "http://x"},
        {"mediaType": "a", "digest": D1, "size": 1, "annotations": {"a": 1}},
        "text",
        [],
    ],
)
@pytest.mark.parametrize("field", ["config", "subject", "layers"])
def test_bad_descriptors_are_refused_wherever_they_stand(bad: object, field: str) -> None:
    value = [bad] if field == "layers" else bad
    with pytest.raises(ManifestInvalid):
        parse({**image(), field: value}, media.OCI_MANIFEST)


@pytest.mark.parametrize(
    "odd",
    [
        {"mediaType": "a", "digest": D1},
        {"mediaType": None, "digest": D1, "size": None},
        {"digest": D1, "size": -1},
        {"digest": D1, "size": 1, "annotations": {"a": None}, "urls": [None], "platform": {"os": None}},
        {"digest": D1, "size": 1, "annotations": {"a": "\ud800", "\udfff": ""}},
    ],
)
@pytest.mark.parametrize("field", ["config", "subject", "layers"])
def test_what_go_reads_is_stored_and_not_run(odd: object, field: str) -> None:
    """Registries keep what their clients understand; who runs an image leaves nothing to guess."""
    raw = json.dumps({**image(), field: [odd] if field == "layers" else odd}).encode()
    manifest = Manifest.pushed(raw, media.OCI_MANIFEST, Digest.of(raw))
    assert manifest.document == Manifest.stored(raw, manifest.digest).document
    found = {"config": manifest.config, "subject": manifest.subject, "layers": next(iter(manifest.layers))}[field]
    assert found is not None
    assert (found.digest, found.size >= 0) == (D1, True)
    with pytest.raises(ManifestInvalid):
        Manifest.parse(raw, media.OCI_MANIFEST)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"mediaType": "a", "size": 1},
        {"digest": "sha256:x", "size": 1},
        {"digest": None, "size": 1},
        {"digest": D1, "size": "1"},
        {"digest": D1, "size": 10**30},
        {"digest": D1, "size": 1, "annotations": {"a": 1}},
        "text",
        [],
    ],
)
@pytest.mark.parametrize("field", ["config", "subject", "layers"])
def test_what_go_cannot_read_is_not_stored(bad: object, field: str) -> None:
    raw = json.dumps({**image(), field: [bad] if field == "layers" else bad}).encode()
    with pytest.raises(ManifestInvalid):
        Manifest.pushed(raw, media.OCI_MANIFEST, Digest.of(raw))


#: Where in a document which names are known.
NAMES: list[tuple[list[str | int], str]] = [
    ([], "schemaVersion mediaType artifactType config layers manifests blobs subject annotations"),
    (["config"], "mediaType digest size urls annotations data platform artifactType"),
    (["subject"], "digest"),
    (["layers", 0], "digest"),
    (["blobs", 0], "digest"),
    (["manifests", 0], "digest"),
    (["config", "platform"], "architecture os os.version os.features variant features"),
    (["manifests", 0, "platform"], "os"),
]
SPELLINGS: list[Callable[[str], str]] = [str, str.upper, str.title, lambda name: name.replace("s", "\u017f")]


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in NAMES for name in names.split()])
def test_no_known_name_stands_there_twice_in_any_spelling(path: list[str | int], name: str) -> None:
    """Go takes all spellings for one and the same, even an old long s for an s; others do not."""
    described = {**descriptor(D1), "platform": {"os": "linux", "architecture": "amd64"}}
    document: Any = {**image(config=described), "mediaType": media.OCI_MANIFEST}
    if path[:1] == ["manifests"]:
        document = {**index(manifests=[described]), "mediaType": media.OCI_INDEX}
    document |= {"subject": described, "blobs": [described]}
    assert Manifest.pushed(json.dumps(document).encode(), document["mediaType"], D1).subject is not None
    place = document
    for step in path:
        place = place[step]
    place |= {name: place.get(name), "AGAIN": place.get(name)}
    for spell in SPELLINGS:
        raw = json.dumps(document).replace('"AGAIN"', json.dumps(spell(name))).encode()
        for read in (Manifest.parse, lambda raw: Manifest.pushed(raw, document["mediaType"], D1)):
            with pytest.raises(ManifestInvalid, match="could be read"):
                read(raw)


@pytest.mark.parametrize("place", ["annotations", "x", "a/b"])
def test_names_that_nobody_knows_stand_there_as_often_as_they_like(place: str) -> None:
    raw = json.dumps(image(**{place: {"AGAIN": ""}})).replace('"AGAIN"', '"Config": "", "config": "", "a": "", "a"')
    assert Manifest.pushed(raw.encode(), media.OCI_MANIFEST, D1).config is not None


@pytest.mark.parametrize("kind", sorted(media.IMAGES))
def test_an_image(kind: str) -> None:
    manifest = parse(image(mediaType=kind))
    assert manifest.media_type == kind
    assert manifest.digest == Digest.of(manifest.raw)
    assert not manifest.is_index
    assert manifest.config is not None
    assert manifest.config.digest == D1
    assert [layer.digest for layer in manifest.layers] == [D2]
    assert [blob.digest for blob in manifest.blobs] == [D1, D2]
    assert manifest.children == ()


@pytest.mark.parametrize("kind", sorted(media.INDEXES))
def test_an_index(kind: str) -> None:
    manifest = parse(index(mediaType=kind), kind)
    assert manifest.is_index
    assert [child.digest for child in manifest.children] == [D3]
    assert (manifest.blobs, manifest.config, manifest.layers) == ((), None, ())


def test_an_artifact_of_the_withdrawn_type_still_has_its_blobs() -> None:
    manifest = parse({"mediaType": media.OCI_ARTIFACT, "artifactType": "a/b", "blobs": [descriptor(D2)]})
    assert [blob.digest for blob in manifest.blobs] == [D2]
    assert manifest.descriptor.artifact_type == "a/b"


def test_null_stands_for_an_empty_list_as_go_writes_it() -> None:
    assert parse(image(layers=None, annotations=None), media.OCI_MANIFEST).layers == ()
    assert parse(index(manifests=None, mediaType=media.OCI_INDEX)).children == ()


def test_the_first_of_two_types_decides_only_if_they_agree() -> None:
    assert parse(image(), media.OCI_MANIFEST).media_type == media.OCI_MANIFEST
    assert parse(image(mediaType=media.OCI_MANIFEST), media.OCTET_STREAM).media_type == media.OCI_MANIFEST
    for content_type in (media.DOCKER_MANIFEST, media.OCI_INDEX, "application/json"):
        with pytest.raises(ManifestInvalid):
            parse(image(mediaType=media.OCI_MANIFEST), content_type)
    with pytest.raises(ManifestInvalid):
        parse(image())


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
        "text/html",
        "x" * 5000,
    ],
)
def test_other_types_are_refused_in_a_message_of_sane_length(kind: str) -> None:
    with pytest.raises(ManifestInvalid) as refusal:
        parse(image(), kind)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("kind", sorted(media.MANIFESTS))
@pytest.mark.parametrize("part", [{"config": descriptor(D1)}, {"layers": []}, {"layers": [descriptor(D2)]}])
def test_nothing_can_be_read_in_two_ways(kind: str, part: dict[str, object]) -> None:
    """CVE-2021-41190: one document was an index to one client and an image to another."""
    with pytest.raises(ManifestInvalid):
        parse({**index(), **part, "mediaType": kind}, kind)
    with pytest.raises(ManifestInvalid):
        parse({**index(manifests=[]), **part, "mediaType": kind}, kind)


@pytest.mark.parametrize("kind", sorted(media.INDEXES))
def test_an_index_is_no_image(kind: str) -> None:
    with pytest.raises(ManifestInvalid):
        parse(image(mediaType=kind))


@pytest.mark.parametrize("kind", sorted(media.IMAGES))
def test_an_image_is_no_index(kind: str) -> None:
    with pytest.raises(ManifestInvalid):
        parse(index(mediaType=kind))
    with pytest.raises(ManifestInvalid):
        parse({"schemaVersion": 2, "layers": [], "mediaType": kind})


@pytest.mark.parametrize("version", [None, 0, 1, 3])
def test_the_schema_version_is_2(version: int | None) -> None:
    with pytest.raises(ManifestInvalid):
        parse({**image(), "schemaVersion": version}, media.OCI_MANIFEST)


@pytest.mark.parametrize("kind", sorted(media.MANIFESTS))
@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("empty", [True, False])
def test_what_is_taken_is_of_the_same_type_when_read_back(kind: str, stated: bool, empty: bool) -> None:
    """Only the bytes are stored, so a type that was accepted must be found in them again."""
    document = index() if kind in media.INDEXES else image()
    if empty:
        document = {k: v for k, v in document.items() if k not in ("manifests", "layers")}
    if stated:
        document["mediaType"] = kind
    try:
        pushed = parse(document, kind)
    except ManifestInvalid:
        assert not stated, "a manifest that states its type was refused"
        assert kind not in (media.OCI_MANIFEST, media.OCI_INDEX), "OCI manifests need not state their type"
    else:
        assert Manifest.stored(pushed.raw, pushed.digest) == pushed


@pytest.mark.parametrize(
    "layer",
    [
        descriptor(D2, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        descriptor(D2, "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
        descriptor(D2, urls=["https://elsewhere.example/layer"]),
    ],
)
def test_what_lies_elsewhere_need_not_be_here(layer: dict[str, object]) -> None:
    assert [blob.digest for blob in parse(image(layers=[layer]), media.OCI_MANIFEST).blobs] == [D1]
    with_empty_urls = image(layers=[descriptor(D2, urls=[])])
    assert [blob.digest for blob in parse(with_empty_urls, media.OCI_MANIFEST).blobs] == [D1, D2]


def test_unknown_fields_and_types_are_nobodys_business() -> None:
    odd = image(
        artifactType="application/wasm", extra={"a": [1]}, layers=[descriptor(D2, "x/y", data="aGk=", foo=None)]
    )
    manifest = parse(odd, media.OCI_MANIFEST)
    assert json.loads(manifest.raw) == odd


@pytest.mark.parametrize(
    ("document", "artifact_type"),
    [
        (image(artifactType="a/b"), "a/b"),
        (image(), media.OCI_CONFIG),
        (image(artifactType=""), media.OCI_CONFIG),
        (index(), None),
        (index(artifactType="a/b"), "a/b"),
    ],
)
def test_the_artifact_type_that_referrers_show(document: dict[str, object], artifact_type: str | None) -> None:
    """Distribution-spec, "Listing Referrers"."""
    kind = media.OCI_INDEX if "manifests" in document else media.OCI_MANIFEST
    notes = {"org.example.key": "value"}
    manifest = parse({**document, "subject": descriptor(D3), "annotations": notes}, kind)
    assert manifest.subject is not None
    assert manifest.subject.digest == D3
    assert manifest.descriptor == Descriptor(
        media_type=kind,
        digest=manifest.digest,
        size=len(manifest.raw),
        artifact_type=artifact_type,
        annotations=notes,
    )


@given(descriptors)
def test_a_descriptor_reads_back(document: dict[str, object]) -> None:
    first = decode_descriptor(json.dumps(document).encode())
    assert decode_descriptor(encode(first)) == first


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_descriptor(raw: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        decode_descriptor(raw)


def test_an_index_of_our_own_is_one_that_we_would_take() -> None:
    entry = parse(image(), media.OCI_MANIFEST).descriptor
    manifest = Manifest.parse(encode(Index(manifests=[entry])))
    assert manifest.media_type == media.OCI_INDEX
    assert manifest.children == (entry,)
    assert json.loads(encode(Index(manifests=[]))) == {
        "schemaVersion": 2,
        "mediaType": media.OCI_INDEX,
        "manifests": [],
    }
