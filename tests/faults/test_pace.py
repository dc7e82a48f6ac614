"""No request, however much it asks for, keeps all others waiting for longer than a moment."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from storage.layout import ReferrerDescriptor, RevisionLink
from storage.oci.digest import Digest
from storage.oci.document import Descriptor
from storage.oci.manifest import encode
from storage.oci.reference import Name
from tests.parts import accounts, paced
from tests.parts import server as server_part
from tests.parts.paced import BY, delays
from tests.parts.server import Server
from tests.parts.wire import sha256

MIB = 1 << 20
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(b"{}"), "size": 2}
# As many as 4 MiB hold.
CHILDREN = 36_000
TAGS = 50_000
REFERRERS = 10_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_part.serving(tmp_path_factory.mktemp("pace"), by=BY) as running:
        running.push_blob("a", b"{}")
        assert put(running, sha256(image()), image()) == 201
        yield running


@pytest.fixture(autouse=True)
def unhurried(server: Server) -> Iterator[None]:
    with paced.unhurried(server):
        yield


def image(**more: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": CONFIG, "layers": [], **more}).encode()


def index(digests: list[str], kind: str = INDEX, **more: object) -> bytes:
    children = [{"mediaType": "a", "digest": digest, "size": 1, **more} for digest in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": children}, separators=(",", ":")).encode()


def put(server: Server, reference: str, raw: bytes, kind: str = OCI) -> int:
    assert len(raw) <= 4 * MIB
    return server.ask("PUT", f"/v2/a/manifests/{reference}", raw, {"Content-Type": kind}).status


def padded(raw: bytes, start: bytes, item: bytes, end: bytes) -> bytes:
    """Fill a manifest up to its limit with a member that nobody knows."""
    room = 4 * MIB - len(raw) - len(start) - len(end) - 2
    return raw[:-1] + b"," + start + item * (room // len(item)) + end + b"}"


def test_an_index_of_what_is_not_there(server: Server) -> None:
    assert put(server, "unknown", index([f"sha256:{number:064x}" for number in range(CHILDREN)]), INDEX) == 404


def test_an_index_of_one_image_for_every_platform_there_is(server: Server) -> None:
    listed = index([sha256(image())] * (CHILDREN // 2), LIST, platform={"os": "plan9", "architecture": "pdp11"})
    assert put(server, "list", listed, LIST) == 201
    for _ in range(2):
        answer = server.ask("GET", "/v2/a/manifests/list", headers={"Accept": DOCKER})
        assert (answer.status, answer.body) == (200, listed)


@pytest.mark.parametrize(
    ("start", "item", "end"),
    [
        (b'"x":[', b"0,", b"0]"),
        (b'"x":[', b"{},", b"0]"),
        (b'"x":[', b'"\\ud800",', b"0]"),
        (b'"x":"', b"\xf6", b'"'),
        (b'"x":"', b"\\n", b'"'),
        (b"", b'"":1,', b'"x":0'),
        (b'"annotations":{', b'"a":"b",', b'"x":""}'),
    ],
)
def test_a_manifest_of_many_small_things(server: Server, start: bytes, item: bytes, end: bytes) -> None:
    raw = padded(image(), start, item, end)
    assert put(server, "odd", raw) == 201
    answer = server.ask("GET", "/v2/a/manifests/odd")
    assert (answer.status, answer.body) == (200, raw)
    assert server.ask("DELETE", f"/v2/a/manifests/{sha256(raw)}").status == 202


@pytest.mark.parametrize("raw", [b"[" * (4 * MIB), b'{"x":' * (MIB // 2), b'{"config":' * 100_000])
def test_a_manifest_without_a_bottom(server: Server, raw: bytes) -> None:
    assert put(server, "deep", raw) == 400


def test_headers_of_many_parts(server: Server) -> None:
    assert put(server, "headers", index([sha256(image())], LIST), LIST) == 201
    many = {"Accept": ("a/b;q=0,", ","), "If-None-Match": (",", '"*",'), "Range": ("0-1,",)}
    for name, part in ((name, part) for name, parts in many.items() for part in parts):
        value = part * (120_000 // len(part)) + DOCKER
        for path in ("manifests/headers", f"blobs/{CONFIG['digest']}"):
            assert server.ask("GET", f"/v2/a/{path}", headers={name: value}).status in (200, 206, 304, 416)


def test_lists_of_very_many(server: Server) -> None:
    """Tags as another registry left them: pushing so many would take minutes."""
    assert put(server, "first", image(annotations={"of": "many tags"})) == 201
    tags = server.storage / "docker/registry/v2/repositories/a/_manifests/tags"
    for number in range(TAGS):
        os.symlink(tags / "first", tags / f"t{number}")
    answer = server.ask("GET", "/v2/a/tags/list?last=t1")
    assert (len(answer.json()["tags"]), "link" in {name.lower() for name in answer.headers}) == (1000, True)
    # All of them may point to what is deleted.
    other = image(annotations={"of": "no tags"})
    assert put(server, sha256(other), other) == 201
    assert server.ask("DELETE", f"/v2/a/manifests/{sha256(other)}").status == 202


def test_very_many_referrers(server: Server) -> None:
    """As another process has stored them, for the same reason."""
    subject = Digest(sha256(image(annotations={"of": "the subject"})))
    digests = [Digest(f"sha256:{number:064x}") for number in range(REFERRERS)]
    for number, digest in enumerate(digests):
        place = ReferrerDescriptor(Name("a"), subject, 1_700_000_000_000_000 + number, digest)
        write(server.storage / place.key, encode(Descriptor(digest=digest, size=number)))
        write(server.storage / RevisionLink(Name("a"), digest).key, digest.encode())
    found = server.ask("GET", f"/v2/a/referrers/{subject}").json()["manifests"]
    assert [each["digest"] for each in found] == digests


def test_a_fallback_tag_that_lists_very_many(server: Server) -> None:
    subject = sha256(b"of a fallback tag")
    assert put(server, subject.replace(":", "-"), index([sha256(image())] * CHILDREN), INDEX) == 201
    assert server.ask("GET", f"/v2/a/referrers/{subject}").json()["manifests"] == []


@pytest.mark.parametrize(
    ("user", "scope"), [("", "a:b:c"), ("", "repository:a{}:pull"), ("admin", "repository:a{}:pull")]
)
def test_a_token_for_very_many_repositories(guarded: Server, user: str, scope: str) -> None:
    scopes = " ".join(scope.format(number) for number in range(10_000))
    form = {"scope": scopes, "grant_type": "password", "username": user, "password": accounts.password(user)}
    answer = guarded.ask("POST", "/token", urlencode(form).encode())
    assert answer.status == (200 if user else 401)
    answer = guarded.ask("GET", "/token?" + urlencode({"scope": scopes[:30_000]}))
    assert answer.status == 200
    assert delays(guarded.process.stderr) == []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives tokens by a policy of some length."""
    folder = tmp_path_factory.mktemp("guarded")
    rules = "".join(
        f'[[rule]]\nwho = ["group:{number}", "anonymous"]\nrepositories = ["x{number}/**"]\nactions = ["pull"]\n'
        for number in range(30)
    )
    config = folder / "preg.toml"
    config.write_text(accounts.settings(folder, "token", rules + accounts.POLICY))
    with server_part.serving(folder / "storage", config, by=BY) as running:
        yield running


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
