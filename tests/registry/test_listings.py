"""Lists (protocol F and G): tags, repositories, referrers."""

import json

import pytest

from storage.layout import RevisionLink
from storage.local import LocalNamespace
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.headers import parse_link
from storage.oci.reference import Name, Tag
from tests.registry.client import Client, describe, image, index

DIGEST = Digest.of(b"")
TAGS = sorted(["1", "10", "2", "Z", "_", "a", "a-b", "a.b", "latest", "v1.0"])
NAMES = sorted(["a", "a-b", "a.b", "a/b", "a/b/c", "b/tags/list", "z"])
LISTS = [("/v2/a/tags/list", "tags", TAGS), ("/v2/_catalog", "repositories", NAMES)]
both_lists = pytest.mark.parametrize(("path", "key", "everything"), LISTS, ids=["tags", "catalog"])


@pytest.fixture
async def filled(namespace: LocalNamespace) -> None:
    await point(namespace, "a", TAGS)
    for name in NAMES:
        await point(namespace, name, [])


async def point(namespace: LocalNamespace, name: str, tags: list[str]) -> None:
    """Make a repository with these tags, without the work of a push."""
    await namespace.store.put(RevisionLink(Name(name), DIGEST).key, DIGEST.encode())
    for tag in tags:
        await namespace.repository(Name(name)).tags.set(Tag(tag), DIGEST)


@both_lists
@pytest.mark.usefixtures("filled")
class TestPages:
    async def test_everything(self, client: Client, path: str, key: str, everything: list[str]) -> None:
        """F57, F60: bytewise order, and no Link on a last page (F58)."""
        answer = await client.ask("GET", path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json() == ({"name": "a"} if key == "tags" else {}) | {key: everything}
        assert "Link" not in answer.headers

    @pytest.mark.parametrize("size", range(1, 12))
    async def test_page_by_page(self, client: Client, path: str, key: str, everything: list[str], size: int) -> None:
        """F58: the links lead through all there is, once, with full pages but for the last."""
        pages, target = [], f"{path}?n={size}"
        while target:
            answer = await client.ask("GET", target)
            pages.append(answer.json()[key])
            link = answer.headers.get("Link", "")
            assert not link or link.startswith(f"<{path}?")
            assert not link or link.endswith('>; rel="next"')
            target = parse_link(link) or ""
        assert [item for page in pages for item in page] == everything
        assert {len(page) for page in pages[:-1]} <= {size}
        assert pages[-1]

    async def test_from_any_point_on(self, client: Client, path: str, key: str, everything: list[str]) -> None:
        """F57: `last` is exclusive, need not exist, and needs no `n`."""
        for last in [*everything, "", "!", "a!", "a/", "a~", "zz", "%2F", "%C3%A9", "%FF", "%00"]:
            answer = await client.ask("GET", f"{path}?last={last}")
            text = {"%2F": "/", "%C3%A9": "é", "%FF": "\ufffd", "%00": "\0"}.get(last, last)
            assert answer.json()[key] == [item for item in everything if item > text], last

    @pytest.mark.parametrize("number", ["0", "00"])
    async def test_none(self, client: Client, path: str, key: str, everything: list[str], number: str) -> None:
        """F57: an empty page leads nowhere."""
        answer = await client.ask("GET", f"{path}?n={number}")
        assert (answer.status, answer.json()[key]) == (200, [])
        assert "Link" not in answer.headers
        assert everything

    @pytest.mark.parametrize("number", ["-1", "abc", "", "1.5", "%2B1", "+1", "0x1", "1e3", "%D9%A1", "5%0A"])
    async def test_no_number(self, client: Client, path: str, key: str, everything: list[str], number: str) -> None:
        """F57."""
        answer = await client.ask("GET", f"{path}?n={number}&key={key}&of={len(everything)}")
        answer.refused(400, "PAGINATION_NUMBER_INVALID")

    @pytest.mark.parametrize("number", ["1000", "5000", "999999999", "2147483647", "9" * 5000, "0" * 5000 + "1000"])
    async def test_large_numbers(self, client: Client, path: str, key: str, everything: list[str], number: str) -> None:
        """F59: crane asks for a thousand, others for more, up to the largest that their integers hold."""
        answer = await client.ask("GET", f"{path}?n={number}")
        assert (answer.status, answer.json()[key]) == (200, everything)


@pytest.mark.parametrize("query", ["", "?n=5000"])
async def test_no_page_is_longer_than_a_thousand(client: Client, namespace: LocalNamespace, query: str) -> None:
    """F59."""
    tags = [f"{number:04}" for number in range(1001)]
    await point(namespace, "a", tags)
    answer = await client.ask("GET", f"/v2/a/tags/list{query}")
    assert answer.json()["tags"] == tags[:1000]
    rest = await client.ask("GET", parse_link(answer.headers["Link"]) or "")
    assert (rest.json()["tags"], "Link" in rest.headers) == (tags[1000:], False)


@pytest.mark.parametrize("query", ["", "?n=0", "?n=5", "?last=x", "?ns=docker.io"])
async def test_a_repository_that_is_not_there(client: Client, query: str) -> None:
    """F57."""
    (await client.ask("GET", f"/v2/never/was/tags/list{query}")).refused(404, "NAME_UNKNOWN")


async def test_a_repository_without_tags(client: Client) -> None:
    """F57: a list, never null."""
    await client.push_image("a")
    assert (await client.ask("GET", "/v2/a/tags/list")).json() == {"name": "a", "tags": []}


async def test_an_empty_registry(client: Client) -> None:
    """F60."""
    assert (await client.ask("GET", "/v2/_catalog")).json() == {"repositories": []}


class TestReferrers:
    """G."""

    SUBJECT = describe(b"the subject", media.OCI_MANIFEST)
    PATH = f"/v2/a/referrers/{SUBJECT['digest']}"

    @pytest.fixture
    async def attached(self, client: Client) -> dict[str, str]:
        """What is attached to SUBJECT: the digest of each by its artifact type."""
        kinds = {
            "application/vnd.example.sbom+json": image(artifactType="application/vnd.example.sbom+json"),
            "application/vnd.example.signature": image(artifactType="application/vnd.example.signature"),
            media.OCI_CONFIG: image(annotations={"a": "b"}),
            "": index(),
        }
        await client.push_image("a")
        digests = {}
        for kind, document in kinds.items():
            raw = json.dumps({**document, "subject": self.SUBJECT}).encode()
            answer = await client.push_manifest("a", Digest.of(raw), raw)
            assert answer.headers["OCI-Subject"] == self.SUBJECT["digest"]
            digests[kind] = answer.digest
        return digests

    async def found(self, client: Client, query: str = "") -> tuple[set[str], bool]:
        """The digests listed, and whether a filter is said to have been applied."""
        answer = await client.ask("GET", self.PATH + query)
        assert (answer.status, answer.headers["Content-Type"]) == (200, media.OCI_INDEX)
        document = answer.json()
        assert (document["schemaVersion"], document["mediaType"]) == (2, media.OCI_INDEX)
        applied = answer.headers.get("OCI-Filters-Applied")
        assert applied in (None, "artifactType")
        return {each["digest"] for each in document["manifests"]}, applied is not None

    async def test_all(self, client: Client, attached: dict[str, str]) -> None:
        """G62, G63."""
        assert await self.found(client) == (set(attached.values()), False)
        by_digest = {each["digest"]: each for each in (await client.ask("GET", self.PATH)).json()["manifests"]}
        for kind, digest in attached.items():
            entry = by_digest[digest]
            manifest = await client.ask("GET", f"/v2/a/manifests/{digest}")
            assert entry.pop("size") == len(manifest.body)
            assert entry.pop("digest") == digest
            assert entry.pop("mediaType") == manifest.headers["Content-Type"]
            assert entry.pop("artifactType", "") == kind
            assert entry.pop("annotations", None) == manifest.json().get("annotations")
            assert entry == {}

    @pytest.mark.parametrize(
        ("query", "kinds"),
        [
            ("?artifactType=application/vnd.example.sbom+json", ["application/vnd.example.sbom+json"]),
            ("?artifactType=application%2Fvnd.example.sbom%2Bjson", ["application/vnd.example.sbom+json"]),
            ("?artifactType=application/vnd.example.signature&n=5", ["application/vnd.example.signature"]),
            (f"?artifactType={media.OCI_CONFIG}", [media.OCI_CONFIG]),
            (
                "?artifactType=application/vnd.example.signature&artifactType=application/vnd.example.sbom%2Bjson",
                ["application/vnd.example.signature", "application/vnd.example.sbom+json"],
            ),
            ("?artifactType=none/such", []),
        ],
    )
    async def test_filtered(self, client: Client, attached: dict[str, str], query: str, kinds: list[str]) -> None:
        """G64, A12: several types are alternatives; a '+' may come raw."""
        assert await self.found(client, query) == ({attached[kind] for kind in kinds}, True)

    @pytest.mark.parametrize("query", ["?artifactType=", "?n=1", "?other=x"])
    async def test_not_filtered(self, client: Client, attached: dict[str, str], query: str) -> None:
        """G64, G65: one page holds a few of them."""
        assert await self.found(client, query) == (set(attached.values()), False)

    @pytest.mark.parametrize("path", [PATH, f"/v2/never/was/referrers/{DIGEST}", f"/v2/a/referrers/sha512:{'a' * 128}"])
    async def test_nothing_is_attached(self, client: Client, path: str) -> None:
        """G62: a 404 would send clients to the tags of old."""
        answer = await client.ask("GET", path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, media.OCI_INDEX)
        assert answer.json() == {"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": []}

    @pytest.mark.parametrize("digest", ["sha256:bad", "latest", "", "md5:" + "a" * 32])
    async def test_a_digest_that_is_none(self, client: Client, digest: str) -> None:
        """G62."""
        (await client.ask("GET", f"/v2/a/referrers/{digest}")).refused(400, "DIGEST_INVALID")

    async def test_the_newest_is_the_last(self, client: Client, attached: dict[str, str]) -> None:
        """G63: clients of today take the last signature for the one that counts."""
        listed = (await client.ask("GET", self.PATH)).json()["manifests"]
        assert [each["digest"] for each in listed] == list(attached.values())

    @pytest.mark.parametrize("kind", ["", "a/b", "c/d"])
    async def test_page_by_page(self, client: Client, kind: str) -> None:
        """G65: no answer is larger than what clients read of a manifest, and links lead to the rest."""
        await client.push_image("a")
        pushed = []
        for number in range(12):
            document = image(
                subject=self.SUBJECT,
                artifactType=("a/b", "c/d")[number // 6],
                annotations={"n": str(number), "statement": "y" * 400_000},
            )
            raw = json.dumps(document).encode()
            pushed.append((await client.push_manifest("a", Digest.of(raw), raw)).digest)
        listed, target = [], self.PATH + (f"?artifactType={kind}" if kind else "")
        pages = 0
        while target:
            answer = await client.ask("GET", target)
            assert len(answer.body) <= 4 * 1024 * 1024
            assert answer.headers.get("OCI-Filters-Applied") == ("artifactType" if kind else None)
            listed += [each["digest"] for each in answer.json()["manifests"]]
            target = parse_link(answer.headers.get("Link", "")) or ""
            pages += 1
        assert listed == {"": pushed, "a/b": pushed[:6], "c/d": pushed[6:]}[kind]
        assert pages == 2

    async def test_they_belong_to_their_repository(self, client: Client, attached: dict[str, str]) -> None:
        """G63."""
        answer = await client.ask("GET", self.PATH.replace("/v2/a/", "/v2/b/"))
        assert attached
        assert answer.json()["manifests"] == []

    async def test_a_deleted_referrer_is_gone_at_once(self, client: Client, attached: dict[str, str]) -> None:
        """G67."""
        gone = attached.pop("")
        assert (await client.ask("DELETE", f"/v2/a/manifests/{gone}")).status == 202
        assert await self.found(client) == (set(attached.values()), False)

    async def test_a_fallback_tag_is_merged_and_stays_a_tag(
        self, client: Client, namespace: LocalNamespace, attached: dict[str, str]
    ) -> None:
        """G66."""
        tag = str(self.SUBJECT["digest"]).replace(":", "-")
        children = [describe((await client.ask("GET", f"/v2/a/manifests/{d}")).body) for d in attached.values()]
        async for info in namespace.store.list("docker/registry/v2/repositories/a/_referrers/"):
            await namespace.store.delete(info.key)
        assert await self.found(client) == (set(), False)
        assert (await client.push_manifest("a", tag, index(*children))).status == 201
        assert await self.found(client) == (set(attached.values()), False)
        assert (await client.ask("GET", "/v2/a/tags/list")).json()["tags"] == [tag]
