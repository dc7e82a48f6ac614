"""Manifests and tags (protocol B15 to B18 and E)."""

import json

import pytest
from aiohttp import web

from registry.http.api import Api
from registry.http.server import HttpServer
from storage.guard import Guard
from storage.local import LocalNamespace
from storage.oci import media
from storage.oci.digest import Digest
from tests.registry.client import CONFIG, Client, describe, image, index

MIB = 1024 * 1024
RAW = json.dumps(image()).encode()
DIGEST = Digest.of(RAW)
SCHEMA1 = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
]


@pytest.fixture(autouse=True)
async def pushed(client: Client) -> None:
    assert await client.push_image("a", "latest") == DIGEST


@pytest.mark.parametrize("reference", ["latest", DIGEST])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_manifest(client: Client, reference: str, method: str) -> None:
    """A5, E41, E46, E47: the bytes that were pushed, and their type without a charset."""
    answer = await client.ask(method, f"/v2/a/manifests/{reference}")
    assert (answer.status, answer.body) == (200, RAW if method == "GET" else b"")
    assert answer.headers["Content-Type"] == media.OCI_MANIFEST
    assert answer.headers["Content-Length"] == str(len(RAW))
    assert answer.digest == DIGEST
    assert answer.headers["ETag"] == f'"{DIGEST}"'


@pytest.mark.parametrize("body", [RAW, [RAW[:10], RAW[10:]]], ids=["length", "chunked"])
@pytest.mark.parametrize("reference", ["1.0", DIGEST])
async def test_put(client: Client, reference: str, body: object) -> None:
    """A2, E45: dockerd fails without the digest in the answer; others take it from the end of the Location."""
    answer = await client.ask("PUT", f"/v2/a/manifests/{reference}", body, {"Content-Type": media.OCI_MANIFEST})
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (201, b"", "0")
    assert (answer.digest, answer.headers["Location"]) == (DIGEST, f"/v2/a/manifests/{DIGEST}")
    assert "OCI-Subject" not in answer.headers
    assert "OCI-Tag" not in answer.headers
    assert (await client.ask("GET", answer.headers["Location"])).body == RAW


async def test_bytes_are_kept_whatever_they_look_like(client: Client) -> None:
    """E41, E49: white space, fields that nobody knows, some of them twice."""
    raw = b'\n{"x": 1,\t"x": {"y": [1e3, "\\u00e9"]}, ' + RAW[1:] + b"  \n"
    assert (await client.push_manifest("a", "odd", raw, kind=media.OCI_MANIFEST)).status == 201
    answer = await client.ask("GET", "/v2/a/manifests/odd")
    assert (answer.body, answer.digest) == (raw, Digest.of(raw))


@pytest.mark.parametrize(
    "content_type", [f"{media.OCI_MANIFEST}; charset=utf-8", media.OCI_MANIFEST.upper(), "application/octet-stream"]
)
async def test_the_type_comes_back_without_its_dress(client: Client, content_type: str) -> None:
    """E41, E42."""
    assert (await client.push_manifest("a", "t", RAW, kind=content_type)).status == 201
    assert (await client.ask("GET", "/v2/a/manifests/t")).headers["Content-Type"] == media.OCI_MANIFEST


async def test_a_manifest_without_a_content_type_says_itself_what_it_is(client: Client) -> None:
    """E42."""
    assert (await client.ask("PUT", "/v2/a/manifests/t", RAW)).status == 201
    unnamed = {key: value for key, value in image().items() if key != "mediaType"}
    (await client.ask("PUT", "/v2/a/manifests/t", json.dumps(unnamed).encode())).refused(400, "MANIFEST_INVALID")
    assert (await client.push_manifest("a", "u", unnamed, kind=media.OCI_MANIFEST)).status == 201
    assert (await client.ask("GET", "/v2/a/manifests/u")).headers["Content-Type"] == media.OCI_MANIFEST


@pytest.mark.parametrize("kind", [*SCHEMA1, "application/json", "text/plain", media.OCI_INDEX, media.DOCKER_MANIFEST])
async def test_a_type_that_is_wrong_or_withdrawn(client: Client, kind: str) -> None:
    """E42, E43: this code makes containers/image try another format."""
    (await client.push_manifest("a", "t", RAW, kind=kind)).refused(400, "MANIFEST_INVALID")
    assert (await client.ask("HEAD", "/v2/a/manifests/t")).status == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"not JSON", b"\xff", b"[" * 50_000, json.dumps({**image(), "manifests": []}).encode()],
    ids=["empty", "object", "list", "text", "bytes", "nested", "two kinds"],
)
async def test_what_is_no_manifest(client: Client, body: bytes) -> None:
    """E42."""
    (await client.push_manifest("a", "t", body, kind=media.OCI_MANIFEST)).refused(400, "MANIFEST_INVALID")


ODD = [
    image(config={**describe(CONFIG), "size": None}),
    image(layers=[{key: value for key, value in describe(CONFIG).items() if key != "size"}]),
    image(layers=[{**describe(CONFIG), "size": -1, "annotations": {"title": None}, "urls": None, "platform": None}]),
    image(annotations={"org.example.commit": None}),
    image(mediaType=None),
    image(annotations={"title": "\ud83d", "\udc00": "\\ud83d"}),
    json.dumps(image(annotations={"author": "Björn"}), ensure_ascii=False).encode("latin-1"),
    json.dumps({**image(), "x": json.loads("[" * 300 + "]" * 300)}).encode(),
]


@pytest.mark.parametrize("document", ODD, ids=range(len(ODD)))
async def test_what_other_registries_take(client: Client, document: object) -> None:
    """E42: nothing is refused that the decoder of Go's library reads, and with it nearly every client."""
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    assert (await client.push_manifest("a", "odd", raw, kind=media.OCI_MANIFEST)).status == 201
    for reference in ("odd", Digest.of(raw)):
        answer = await client.ask("GET", f"/v2/a/manifests/{reference}")
        assert (answer.status, answer.body) == (200, raw)
        assert answer.headers["Content-Type"] == media.OCI_MANIFEST


async def test_one_digest_is_one_image(client: Client) -> None:
    """Docker takes the last of the members that differ in case only, and others know nothing but the first."""
    other = describe(await client.push_blob("a", b"other") and b"other")
    for twice in (b'"Config": %b', b'"config": %b', b'"LAYERS": [%b]', b'"\\u0063onfig": %b', b'"layer\xc5\xbf": [%b]'):
        raw = RAW[:-1] + b", " + twice % json.dumps(other).encode() + b"}"
        (await client.push_manifest("a", "two", raw, kind=media.OCI_MANIFEST)).refused(400, "MANIFEST_INVALID")
    assert (await client.ask("HEAD", "/v2/a/manifests/two")).status == 404


async def test_a_push_that_names_what_is_not_there_is_not_told_all_of_it(client: Client) -> None:
    """E49: 36,000 digests would be an answer of megabytes, after as many questions to the storage."""
    children = [{"mediaType": "a", "size": 1, "digest": f"sha256:{number:064x}"} for number in range(36_000)]
    answer = await client.push_manifest("a", "t", index(*children))
    assert 100 < len(answer.refused(404, "MANIFEST_BLOB_UNKNOWN")) < 200


@pytest.mark.parametrize(
    "accept",
    [
        [],
        ["*/*"],
        [media.DOCKER_MANIFEST],
        ["text/html"],
        [media.OCI_INDEX, media.OCI_MANIFEST],
        [f"{media.OCI_INDEX}, {media.OCI_MANIFEST};q=0"],
    ],
)
async def test_every_type_is_served_whatever_is_accepted(client: Client, accept: list[str]) -> None:
    """E44."""
    answer = await client.ask("GET", "/v2/a/manifests/latest", headers=[("Accept", line) for line in accept])
    assert (answer.status, answer.body) == (200, RAW)


@pytest.mark.parametrize("reference", ["latest", DIGEST])
@pytest.mark.parametrize("value", [f'"{DIGEST}"', DIGEST, "*"])
async def test_what_the_client_has_already(client: Client, reference: str, value: str) -> None:
    """E47."""
    for method in ("GET", "HEAD"):
        answer = await client.ask(method, f"/v2/a/manifests/{reference}", headers={"If-None-Match": value})
        assert (answer.status, answer.body, answer.digest) == (304, b"", DIGEST)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_the_size_limit(client: Client, framing: str) -> None:
    """E48: what clients read is taken, and not a byte more."""
    padded = RAW[:-1] + b" " * (4 * MIB - len(RAW)) + b"}"
    for raw, status in ((padded, 201), (padded[:-1] + b" }", 413)):
        body = raw if framing == "length" else [raw[:MIB], raw[MIB:]]
        answer = await client.ask("PUT", "/v2/a/manifests/big", body, {"Content-Type": media.OCI_MANIFEST})
        if status == 413:
            answer.refused(413, "MANIFEST_INVALID")
        assert answer.status == status
    assert (await client.ask("GET", "/v2/a/manifests/big")).body == padded


async def test_what_a_manifest_refers_to_must_be_there(client: Client) -> None:
    """E49: each missing digest is named; nothing is stored."""
    await client.push_blob("b", b"elsewhere")
    layers = [describe(b"missing"), describe(b"elsewhere")]
    detail = (await client.push_manifest("a", "t", image(layers=layers))).refused(404, "MANIFEST_BLOB_UNKNOWN")
    assert {each["digest"] for each in detail} == {Digest.of(b"missing"), Digest.of(b"elsewhere")}
    assert (await client.ask("HEAD", "/v2/a/manifests/t")).status == 404
    child = describe(b"{}child", media.OCI_MANIFEST)
    (await client.push_manifest("a", "t", index(child))).refused(404, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize(
    "more",
    [
        {"layers": [describe(b"far", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")]},
        {"layers": [{**describe(b"far"), "urls": ["https://far.example/layer"]}]},
        {"subject": describe(b"not there", media.OCI_MANIFEST)},
        {"layers": [describe(CONFIG, "application/vnd.example+wasm")], "artifactType": "a/b", "x": {"y": None}},
        {"config": {**describe(CONFIG, "application/vnd.oci.empty.v1+json"), "data": "e30=", "size": 99}},
        {"annotations": None, "layers": None},
    ],
)
async def test_what_need_not_be_there_or_understood(client: Client, more: dict[str, object]) -> None:
    """E49, E50, E51."""
    assert (await client.push_manifest("a", "t", image(**more))).status == 201


async def test_an_index_may_list_blobs(client: Client) -> None:
    """E49: BuildKit's cache; the same manifest may stand twice, for a platform that is none."""
    await client.push_blob("a", b"layer")
    children = [
        describe(b"layer", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        describe(CONFIG, "application/vnd.buildkit.cacheconfig.v0"),
        {**describe(RAW, media.OCI_MANIFEST), "platform": {"os": "unknown", "architecture": "unknown"}},
        describe(RAW, media.OCI_MANIFEST),
    ]
    for kind in (media.OCI_INDEX, media.DOCKER_LIST):
        assert (await client.push_manifest("a", "cache", index(*children, mediaType=kind))).status == 201


async def test_a_sparse_registry_takes_a_manifest_alone(store: Guard, client: Client) -> None:
    """E49: where it is configured."""
    runner = web.ServerRunner(HttpServer(Api(LocalNamespace(store, sparse=True)), access_log=False), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sparse = Client(runner.addresses[0][1], client.session)
    assert (await sparse.push_manifest("a", "t", image(layers=[describe(b"missing")]))).status == 201
    assert (await sparse.ask("GET", "/v2/a/manifests/t")).status == 200
    await runner.cleanup()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_put_by_digest_with_tags(client: Client, algorithm: str) -> None:
    """E52, E53, B18: the tags then lead to the digest it was pushed with."""
    digest = Digest.of(RAW, algorithm)
    tags = [f"tag-{number}" for number in range(12)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = await client.push_manifest("a", f"{digest}?{query}&tag=tag-0", RAW)
    assert (answer.status, answer.digest) == (201, digest)
    assert answer.headers["Location"] == f"/v2/a/manifests/{digest}"
    assert [tag.strip() for line in answer.headers.getall("OCI-Tag") for tag in line.split(",")] == tags
    for reference in (*tags, digest):
        found = await client.ask("GET", f"/v2/a/manifests/{reference}")
        assert (found.status, found.body, found.digest) == (200, RAW, digest)


async def test_one_bad_tag_spoils_all(client: Client) -> None:
    """E52: all are checked before anything is stored."""
    raw = json.dumps(image(annotations={"new": "1"})).encode()
    (await client.push_manifest("a", f"{Digest.of(raw)}?tag=good&tag=-bad", raw)).refused(400, "TAG_INVALID")
    for reference in ("good", Digest.of(raw)):
        assert (await client.ask("HEAD", f"/v2/a/manifests/{reference}")).status == 404


@pytest.mark.parametrize("count", [26, 201, 1000])
async def test_more_tags_than_one_request_may_carry(client: Client, count: int) -> None:
    """A9, E52."""
    query = "&".join(f"tag=t{number}" for number in range(count))
    (await client.push_manifest("a", f"{DIGEST}?{query}", RAW)).refused(414, "UNSUPPORTED")
    query = "&".join(f"tag=t{number}" for number in range(25))
    assert (await client.push_manifest("a", f"{DIGEST}?{query}", RAW)).status == 201


async def test_tags_in_the_query_of_a_put_by_tag_are_passed_over(client: Client) -> None:
    """E52."""
    answer = await client.push_manifest("a", "one?tag=two&tag=-bad", RAW)
    assert (answer.status, "OCI-Tag" in answer.headers) == (201, False)
    assert (await client.ask("HEAD", "/v2/a/manifests/two")).status == 404


async def test_put_under_the_digest_of_something_else(client: Client) -> None:
    """B16: and under what is no digest at all."""
    other = Digest.of(b"other")
    (await client.push_manifest("a", other, RAW)).refused(400, "DIGEST_INVALID")
    assert (await client.ask("HEAD", f"/v2/a/manifests/{other}")).status == 404
    for reference in ("sha256:baddigeststring", "md5:" + "a" * 32, ":", "a:b", DIGEST.upper()):
        for method in ("PUT", "GET", "DELETE"):
            answer = await client.ask(method, f"/v2/a/manifests/{reference}", RAW if method == "PUT" else None)
            answer.refused(400, "DIGEST_INVALID")


@pytest.mark.parametrize("tag", ["a" * 128, "_", "0.1.0_build", f"sha256-{'a' * 64}", f"sha256-{'a' * 64}.sig", "list"])
async def test_tags_at_the_edge(client: Client, tag: str) -> None:
    """B15: a tag that looks like a digest is a tag."""
    assert (await client.push_manifest("a", tag, RAW)).status == 201
    assert (await client.ask("GET", f"/v2/a/manifests/{tag}")).digest == DIGEST
    assert (await client.ask("DELETE", f"/v2/a/manifests/{tag}")).status == 202


@pytest.mark.parametrize("tag", ["a" * 129, "-a", ".a", "a+b", "a%20b", "%C3%A9", "%00", "a" * 5000, "%FF"])
async def test_tags_outside_the_grammar(client: Client, tag: str) -> None:
    """B15."""
    for method in ("PUT", "GET", "DELETE"):
        answer = await client.ask(method, f"/v2/a/manifests/{tag}", RAW if method == "PUT" else None)
        answer.refused(400, "TAG_INVALID")


@pytest.mark.parametrize("kind", sorted(media.MANIFESTS))
async def test_a_manifest_with_a_subject_names_it_in_the_answer(client: Client, kind: str) -> None:
    """E45: be the subject there or not."""
    subject = describe(b"no such manifest", media.OCI_MANIFEST)
    document = (
        index(mediaType=kind, subject=subject) if kind in media.INDEXES else image(mediaType=kind, subject=subject)
    )
    answer = await client.push_manifest("a", "t", document)
    assert (answer.status, answer.headers["OCI-Subject"]) == (201, subject["digest"])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["a/manifests/none", f"a/manifests/{Digest.of(b'')}", f"b/manifests/{DIGEST}"])
async def test_what_is_not_there(client: Client, method: str, path: str) -> None:
    """E46, E55, H70."""
    (await client.ask(method, f"/v2/{path}")).refused(404, "MANIFEST_UNKNOWN")
    answer = await client.ask("HEAD", f"/v2/{path}")
    assert (answer.status, answer.body) == (404, b"")


async def test_a_tag_moves_and_its_old_manifest_stays(client: Client) -> None:
    """E54."""
    newer = await client.push_image("a", "latest", annotations={"newer": "yes"})
    assert (await client.ask("GET", "/v2/a/manifests/latest")).digest == newer
    assert (await client.ask("GET", f"/v2/a/manifests/{DIGEST}")).body == RAW


async def test_delete_by_tag_and_by_digest(client: Client) -> None:
    """E55."""
    for tag in ("one", "two"):
        await client.push_manifest("a", tag, RAW)
    answer = await client.ask("DELETE", "/v2/a/manifests/one")
    assert (answer.status, answer.body) == (202, b"")
    assert (await client.ask("HEAD", "/v2/a/manifests/one")).status == 404
    assert (await client.ask("HEAD", f"/v2/a/manifests/{DIGEST}")).status == 200
    assert (await client.ask("DELETE", f"/v2/a/manifests/{DIGEST}")).status == 202
    for reference in ("two", "latest", DIGEST):
        assert (await client.ask("HEAD", f"/v2/a/manifests/{reference}")).status == 404
        (await client.ask("DELETE", f"/v2/a/manifests/{reference}")).refused(404, "MANIFEST_UNKNOWN")
    # Its blobs are still there, and who lists the tags after a deletion that worked expects no error.
    assert (await client.ask("GET", "/v2/a/tags/list")).json() == {"name": "a", "tags": []}
    assert (await client.ask("GET", "/v2/_catalog")).json() == {"repositories": []}


class TestLegacyDowngrade:
    """E44: the clients of 2017 and before know no manifest lists."""

    @pytest.fixture(autouse=True)
    async def multi_arch(self, client: Client) -> tuple[Digest, Digest]:
        digests = {}
        for architecture in ("arm64", "amd64"):
            digests[architecture] = await client.push_image(
                "a", mediaType=media.DOCKER_MANIFEST, annotations={"a": architecture}
            )
        children = [
            {
                "mediaType": media.DOCKER_MANIFEST,
                "digest": digest,
                "size": 1,
                "platform": {"os": "linux", "architecture": architecture},
            }
            for architecture, digest in digests.items()
        ]
        for tag, kind in (("docker", media.DOCKER_LIST), ("oci", media.OCI_INDEX)):
            answer = await client.push_manifest("a", tag, index(*children, mediaType=kind))
            assert answer.status == 201
        return Digest((await client.ask("GET", "/v2/a/manifests/docker")).digest), digests["amd64"]

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_they_get_the_amd64_image(
        self, client: Client, multi_arch: tuple[Digest, Digest], method: str
    ) -> None:
        headers = {"Accept": media.DOCKER_MANIFEST}
        answer = await client.ask(method, "/v2/a/manifests/docker", headers=headers)
        assert (answer.digest, answer.headers["Content-Type"]) == (multi_arch[1], media.DOCKER_MANIFEST)
        if method == "GET":
            assert Digest.of(answer.body) == multi_arch[1]

    @pytest.mark.parametrize(
        "accept",
        [
            [],
            ["*/*"],
            [media.OCI_INDEX],
            [media.DOCKER_MANIFEST, "*/*"],
            [media.DOCKER_MANIFEST, media.DOCKER_LIST],
            [f"{media.DOCKER_LIST}, {media.DOCKER_MANIFEST}"],
        ],
    )
    async def test_nobody_else_does(self, client: Client, multi_arch: tuple[Digest, Digest], accept: list[str]) -> None:
        answer = await client.ask("GET", "/v2/a/manifests/docker", headers=[("Accept", line) for line in accept])
        assert (answer.digest, answer.headers["Content-Type"]) == (multi_arch[0], media.DOCKER_LIST)

    async def test_by_digest_everybody_gets_what_has_that_digest(
        self, client: Client, multi_arch: tuple[Digest, Digest]
    ) -> None:
        answer = await client.ask("GET", f"/v2/a/manifests/{multi_arch[0]}", headers={"Accept": media.DOCKER_MANIFEST})
        assert (Digest.of(answer.body), answer.headers["Content-Type"]) == (multi_arch[0], media.DOCKER_LIST)

    async def test_an_oci_index_is_not_for_them(self, client: Client) -> None:
        answer = await client.ask("GET", "/v2/a/manifests/oci", headers={"Accept": media.DOCKER_MANIFEST})
        assert answer.headers["Content-Type"] == media.OCI_INDEX
