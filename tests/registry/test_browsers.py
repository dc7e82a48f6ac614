"""Pages in browsers: what they are refused, and that no client of a registry is taken for one."""

import socket
from pathlib import Path

import pytest

from registry.http.browsers import Hosts
from storage.oci.digest import Digest
from tests.parts import accounts
from tests.registry.client import Client
from tests.registry.doors import MODES, guarded

CONTENT = b"planted"
POST = f"/v2/a/blobs/uploads/?digest={Digest.of(CONTENT)}"


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:5000", "192.0.2.7:5000", "[::1]", "[::1]:5000", "[::ffff:127.0.0.1]:5000"),
        *("localhost", "LOCALHOST:5000", "localhost.", "x.localhost:5000", "registry:5000", "kind-registry"),
        *(
            "registry.local:5000",
            "host.docker.internal:5000",
            "registry.default.svc.cluster.local",
            "nas.home.arpa",
            "a.test",
        ),
        *("registry.example.com", "Registry.Example.com:5000", "registry.example.com.:443", socket.gethostname(), ""),
    ],
)
def test_names_of_ours(host: str) -> None:
    hosts = Hosts(["registry.example.com"])
    assert hosts.include(host)
    assert hosts.include(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:5000", "127.0.0.1.evil.example", "localhost.evil.example:80", "evil.example."),
        *("xregistry.example.com", "registry.example.com.evil.example", "notlocal.xlocal", "256.0.0.1", "1.2.3"),
    ],
)
def test_names_of_others(host: str) -> None:
    assert not Hosts(["registry.example.com"]).include(host)
    assert Hosts(["*"]).include(host)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/"), ("GET", "/v2/_catalog"), ("POST", POST)])
async def test_a_name_that_is_not_ours_is_refused_and_the_cure_is_told(client: Client, method: str, path: str) -> None:
    """DNS rebinding: the browser takes the page and the registry for one site."""
    answer = await client.ask(method, path, CONTENT if method == "POST" else None, {"Host": "evil.example:5000"})
    answer.refused(403, "DENIED")
    assert "'evil.example:5000': add the name to hosts in [server]" in answer.json()["errors"][0]["message"]
    assert (await client.ask("HEAD", f"/v2/a/blobs/{Digest.of(CONTENT)}")).status == 404


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": "http://localhost:3000"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
async def test_what_a_page_of_another_site_sends_is_refused(
    client: Client, method: str, headers: dict[str, str]
) -> None:
    path = {"POST": POST, "PUT": "/v2/a/manifests/latest"}.get(method, f"/v2/a/blobs/{Digest.of(CONTENT)}")
    if method not in ("POST", "PUT"):
        await client.push_blob("a", CONTENT)
    body = CONTENT if method in ("POST", "PUT") else None
    answer = await client.ask(method, path, body, {"Content-Type": "text/plain", **headers})
    if method == "HEAD":
        assert answer.status == 403
    else:
        answer.refused(403, "DENIED")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "us"}])
async def test_what_is_typed_or_comes_from_the_same_site_is_answered(client: Client, headers: dict[str, str]) -> None:
    own = {name: value.replace("us", f"http://127.0.0.1:{client.port}") for name, value in headers.items()}
    assert (await client.ask("GET", "/v2/_catalog", headers=own)).status == 200
    assert (await client.ask("POST", POST, CONTENT, own)).status == 201


@pytest.mark.parametrize("mode", MODES)
async def test_with_users_a_page_of_another_site_changes_nothing(tmp_path: Path, mode: str) -> None:
    """A browser sends along the password that it was given for another page."""
    async with guarded(tmp_path, mode) as client:
        headers = accounts.basic("writer") if mode == "htpasswd" else {}
        for foreign in FOREIGN:
            (await client.ask("POST", POST, CONTENT, {**headers, **foreign})).refused(403, "DENIED")
        # A link from elsewhere may be followed, and the name is nobody's business where callers are known.
        answer = await client.ask("GET", "/v2/", headers={**headers, "Host": "evil.example", **FOREIGN[-2]})
        assert answer.status == (200 if headers else 401)
