"""Names and passwords in every request: what is answered, what is logged, what is not let through."""

import base64
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from auth.errors import AuthUnavailable, CredentialsRefused, TooManyFailures
from auth.policy import DEFAULT
from auth.principal import Principal
from registry.admission import is_open_to_all
from registry.config import Config, Server
from registry.http.basic import BasicAccess
from registry.http.logins import Logins
from registry.http.peers import Proxies, base_url
from storage.oci.digest import Digest
from storage.oci.errors import RequestInvalid
from tests.parts.accounts import basic
from tests.registry.client import CONTINUE, read_response
from tests.registry.doors import Guarded, guarded

ADMIN = basic("admin")
CONTENT = b"content"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path, "htpasswd") as running:
        yield running


async def push(server: Guarded, name: str, content: bytes = CONTENT) -> Digest:
    """Push a blob as the admin."""
    digest = Digest.of(content)
    answer = await server.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content, ADMIN)
    assert answer.status == 201, answer
    return digest


def encoded(text: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}


async def test_one_challenge_that_is_basic(server: Guarded) -> None:
    """I72, I76: the ping is refused although something is open to all, or docker would never log in."""
    for method in ("GET", "HEAD"):
        answer = await server.ask(method, "/v2/")
        assert (answer.status, answer.headers.getall("WWW-Authenticate")) == (401, ['Basic realm="preg"'])
        assert (await server.ask(method, "/v2/", headers=basic("reader"))).status == 200


async def test_who_is_known_and_may_not_is_told_so(server: Guarded) -> None:
    answer = await server.ask("PUT", "/v2/team/app/manifests/1", b"{}", basic("reader"))
    answer.refused(403, "DENIED")
    assert "WWW-Authenticate" not in answer.headers


async def test_anonymous_pull_where_the_policy_opens_it(server: Guarded) -> None:
    digest = await push(server, "public/app")
    assert (await server.ask("GET", f"/v2/public/app/blobs/{digest}")).body == CONTENT
    (await server.ask("GET", "/v2/team/app/tags/list")).refused(401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "header",
    [
        *("", "Basic", "Basic ", "Basic  ", "Basic !", "Basic YQ", "Basic YTpi YTpi", "basic", "Digest YTpi", "YTpi"),
        *("Bearer", "Bearer x", "Basic " + "A" * 65_536, "Basic " + "é", "Bearer " + "a" * 65_536, ", ,", '"'),
    ],
)
async def test_what_is_no_basic_credentials(server: Guarded, header: str) -> None:
    for path in ("/v2/", "/v2/public/app/tags/list", "/v2/team/app/tags/list"):
        answer = await server.ask("GET", path, headers={"Authorization": header})
        answer.refused(401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "pair",
    [
        *(b"admin", b":", b":admin-s3cret", b"admin:", b"admin:admin-s3cret\0", b"admin\0:admin-s3cret", b"\xff:\xff"),
        *(b"admin:admin-s3cret\n", b"admin\r\nx:admin-s3cret", b"ADMIN:admin-s3cret", b" admin:admin-s3cret"),
        *(b"admin:" + b"x" * 60_000, b"group:admins", "admin:ádmin-s3cret".encode(), b"admin:\xed\xa0\x80"),
    ],
)
async def test_pairs_that_are_wrong(server: Guarded, pair: bytes) -> None:
    (await server.ask("GET", "/v2/", headers=encoded(pair))).refused(401, "UNAUTHORIZED")


async def test_two_headers_are_refused(server: Guarded) -> None:
    """A proxy may have judged by the other one."""
    headers = [("Authorization", basic(user)["Authorization"]) for user in ("reader", "admin")]
    (await server.ask("GET", "/v2/", headers=headers)).refused(401, "UNAUTHORIZED")


async def test_names_that_differ_after_decoding(server: Guarded) -> None:
    """What is decided on is what is acted on."""
    await push(server, "team/app")
    reader, stranger = basic("reader"), basic("stranger")
    digest = Digest.of(CONTENT)
    for name in ("team%2fapp", "team%2Fapp", "t%65am/app"):
        path = f"/v2/{name}/blobs/{digest}"
        assert (await server.ask("GET", path, headers=reader)).status == 200
        (await server.ask("GET", path, headers=stranger)).refused(403, "DENIED")
    for name in (
        *("elsewhere%2f..%2fteam%2fapp", "elsewhere/../team/app", "elsewhere%252f..%252fteam%252fapp"),
        *("team%2fapp%00elsewhere", "elsewhere%5c..%5cteam", "elsewhere//app", "%2e%2e/team/app", "elsewhere%2f%2fa"),
    ):
        for headers in (reader, stranger, ADMIN, {}):
            answer = await server.ask("GET", f"/v2/{name}/blobs/{digest}", headers=headers)
            answer.refused(400, "NAME_INVALID")
    (await server.ask("POST", "/v2//blobs/uploads/x", headers=ADMIN)).refused(405, "UNSUPPORTED")
    (await server.ask("GET", "/v2//blobs/uploads/x", headers=ADMIN)).refused(400, "NAME_INVALID")


class TestCatalog:
    async def test_it_names_what_the_caller_may_pull_and_leads_on(self, server: Guarded) -> None:
        names = [f"{place}/{number}" for place in ("elsewhere", "secret", "team") for number in range(3)]
        for name in names:
            await push(server, name, b"{}")
            answer = await server.ask("PUT", f"/v2/{name}/manifests/1", MANIFEST, {**ADMIN, **OCI})
            assert answer.status == 201, answer
        assert await self.listed(server, "admin") == names
        assert await self.listed(server, "reader") == names[6:]
        assert await self.listed(server, "stranger") == names[:3]

    async def listed(self, server: Guarded, user: str) -> list[str]:
        """All pages, of two names each."""
        found: list[str] = []
        path = "/v2/_catalog?n=2"
        while path:
            answer = await server.ask("GET", path, headers=basic(user))
            page = answer.json()["repositories"]
            assert len(page) <= 2
            found += page
            link = re.match("<(.*)>", answer.headers.get("Link", ""))
            path = link[1] if link else ""
        return found


class TestMounts:
    """I75: who may not pull from the source sends the blob again, and learns nothing of it."""

    async def mount(self, server: Guarded, user: str, source: str, digest: str) -> int:
        query = f"mount={digest}&from={source}" if source else f"mount={digest}"
        name = {"stranger": "elsewhere/app"}.get(user, "team/app")
        return (await server.ask("POST", f"/v2/{name}/blobs/uploads/?{query}", headers=basic(user))).status

    async def test_with_rights_on_both_sides(self, server: Guarded) -> None:
        digest = await push(server, "team/source")
        assert await self.mount(server, "writer", "team/source", digest) == 201
        assert await self.mount(server, "writer", "team%2Fsource", digest) == 201

    async def test_with_rights_on_one_side(self, server: Guarded) -> None:
        digest = await push(server, "team/source")
        assert await self.mount(server, "stranger", "team/source", digest) == 202
        assert await self.mount(server, "reader", "team/source", digest) == 403
        answer = await server.ask("GET", f"/v2/elsewhere/app/blobs/{digest}", headers=basic("stranger"))
        answer.refused(404, "BLOB_UNKNOWN")

    async def test_from_anywhere(self, server: Guarded) -> None:
        """Which is wherever the caller may pull from."""
        digest = await push(server, "team/source")
        assert await self.mount(server, "stranger", "", digest) == 202
        assert await self.mount(server, "writer", "", digest) == 201
        assert await self.mount(server, "writer", "", Digest.of(b"unknown")) == 202

    @pytest.mark.parametrize("source", ["TEAM", "..", "team/..", '"', "team%00", "a" * 300])
    async def test_from_no_name(self, server: Guarded, source: str) -> None:
        digest = await push(server, "team/source")
        assert await self.mount(server, "writer", source, digest) == 202


class TestBodies:
    """A8: nobody is asked for a body who is then refused, and none is taken."""

    HEAD = "PUT /v2/team/app/manifests/1 HTTP/1.1\r\nHost: x\r\n"

    async def test_a_small_one_is_passed_over(self, server: Guarded) -> None:
        async with server.connection() as (reader, writer):
            for _ in range(3):
                writer.write(f"{self.HEAD}Content-Length: 5\r\n\r\nhello".encode())
                assert (await read_response(reader))[0] == 401

    @pytest.mark.parametrize("more", ["Content-Length: 10000000", "Transfer-Encoding: chunked"])
    async def test_a_large_one_is_answered_before_it_comes(self, server: Guarded, more: str) -> None:
        async with server.connection() as (reader, writer):
            writer.write(f"{self.HEAD}{more}\r\n\r\n".encode())
            status, headers, _ = await read_response(reader)
        assert (status, headers["connection"]) == (401, "close")

    async def test_who_waits_to_be_asked_is_not(self, server: Guarded) -> None:
        for length in (5, 10_000_000):
            async with server.connection() as (reader, writer):
                writer.write(f"{self.HEAD}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n".encode())
                status, headers, _ = await read_response(reader)
            assert (status, headers["connection"]) == (401, "close")

    async def test_who_may_is(self, server: Guarded) -> None:
        """So the test before this one tests something."""
        async with server.connection() as (reader, writer):
            credentials = basic("writer")["Authorization"]
            head = f"{self.HEAD}Authorization: {credentials}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            writer.write(head.encode())
            assert await reader.readuntil(b"\r\n\r\n") == CONTINUE


async def test_the_log_says_who_was_refused_what_and_why(server: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "preg.auth"):
        await server.ask("DELETE", "/v2/team/app/manifests/1", headers={**basic("writer"), "X-Request-ID": "from-me"})
        await server.ask("GET", "/v2/team/app/tags/list", headers=basic("nobody"))
        await server.ask("GET", "/v2/team/app/tags/list")
        await server.ask("GET", "/v2/")
        await server.ask("GET", "/v2/", headers=basic("reader"))
    denied, unknown, anonymous = caplog.records
    assert denied.getMessage().startswith("writer is refused delete on team/app: no rule of ")
    assert vars(denied)["request_id"] == "from-me"
    assert unknown.getMessage() == ("somebody is refused pull on team/app: wrong password, or no such user: nobody")
    assert anonymous.getMessage().startswith("anonymous is refused pull on team/app: no rule of ")


class TestFaults:
    """What credentials are checked against can fail, and then nobody is let in."""

    class Raising:
        def __init__(self, error: Exception) -> None:
            self.error = error

        async def principal(self, _user: str, _password: str, _address: str, /) -> Principal:
            raise self.error

    class Rules:
        value = DEFAULT

        async def current(self) -> object:
            return DEFAULT

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (CredentialsRefused("why"), 401, "UNAUTHORIZED"),
            (TooManyFailures(2.5), 429, "TOOMANYREQUESTS"),
            (AuthUnavailable("no LDAP"), 503, "UNAVAILABLE"),
        ],
    )
    async def test_each_has_its_answer(
        self, server: Guarded, error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.api.access = BasicAccess(Logins(self.Raising(error), Proxies()), self.Rules())  # type: ignore[arg-type]
        with caplog.at_level(logging.INFO, "preg"):
            answer = await server.ask("GET", "/v2/team/app/tags/list", headers=basic("admin"))
        answer.refused(status, code)
        assert answer.headers.get("Retry-After") == {429: "3", 503: "5"}.get(status)
        assert (str(error) in answer.body.decode()) == (status == 429)
        assert (str(error) in caplog.text) == (status != 429)
        assert "Traceback" not in caplog.text


class TestProxies:
    """Whose X-Forwarded-For is believed."""

    @pytest.mark.parametrize(
        ("peer", "forwarded", "client"),
        [
            ("127.0.0.1", [], "127.0.0.1"),
            ("127.0.0.1", ["192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", ["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
            ("127.0.0.1", ["192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            ("127.0.0.1", ["192.0.2.1", "10.1.2.3, 10.1.2.4"], "192.0.2.1"),
            ("127.0.0.1", ["192.0.2.1, nonsense, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", [""], "127.0.0.1"),
            ("127.0.0.1", ["192.0.2.1" + ", 10.1.2.3" * 63], "192.0.2.1"),
            ("127.0.0.1", ["192.0.2.1" + ", 10.1.2.3" * 5000], "10.1.2.3"),
            ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),
            ("192.0.2.9", ["192.0.2.1"], "192.0.2.9"),
            ("::1", ["2001:db8::1"], "2001:db8::1"),
        ],
    )
    def test_the_last_that_is_no_proxy(self, peer: str, forwarded: list[str], client: str) -> None:
        headers = CIMultiDict(("X-Forwarded-For", value) for value in forwarded)
        request = make_mocked_request("GET", "/", headers).clone(remote=peer)
        assert Proxies(["127.0.0.0/8", "::1/128", "10.0.0.0/8"]).client(request) == client

    @pytest.mark.parametrize(
        ("headers", "url"),
        [
            ({"Host": "registry.example.com"}, "http://registry.example.com"),
            ({"Host": "[::1]:5000", "X-Forwarded-Proto": "https"}, "https://[::1]:5000"),
            ({"Host": "x:5000", "X-Forwarded-Proto": "HTTPS, http"}, "https://x:5000"),
            ({"Host": "x", "X-Forwarded-Proto": 'gopher"'}, "http://x"),
        ],
    )
    def test_the_url_that_the_client_has_asked(self, headers: dict[str, str], url: str) -> None:
        assert base_url(make_mocked_request("GET", "/", headers)) == url

    @pytest.mark.parametrize("host", ['x"y', "x y", "", "x/y", "x:y", "user@host", "a" * 300, "é"])
    def test_what_is_no_host(self, host: str) -> None:
        with pytest.raises(RequestInvalid):
            base_url(make_mocked_request("GET", "/", {"Host": host}))


@pytest.mark.parametrize(
    ("listen", "mode", "warned"),
    [
        ("127.0.0.1:5000", "none", False),
        ("[::1]:5000", "none", False),
        ("localhost:5000", "none", False),
        ("0.0.0.0:5000", "none", True),
        (":5000", "none", True),
        ("registry.example:5000", "none", True),
        ("[::]:5000", "none", True),
        ("0.0.0.0:5000", "htpasswd", False),
    ],
)
def test_who_serves_everything_to_everybody_is_warned(listen: str, mode: str, warned: bool) -> None:
    config = Config(server=Server(listen=listen))
    assert is_open_to_all(Config(server=config.server, auth=type(config.auth)(mode=mode))) == warned  # type: ignore[arg-type]


OCI = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
MANIFEST = (
    b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[],"config":'
    b'{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"%b"}}' % Digest.of(b"{}").encode()
)
