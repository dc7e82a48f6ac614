"""What all requests have in common (protocol A, B13, B14, H, K): paths, methods, headers, framing, errors."""

import json

import pytest

from registry.http import routes
from storage.oci.digest import Digest
from storage.oci.errors import RouteUnknown
from tests.registry.client import Client, read_response

DIGEST = Digest.of(b"{}")
SESSION = "0" * 32
# Every kind of resource, and the methods it offers.
RESOURCES = {
    "/v2/": "GET HEAD",
    "/v2": "GET HEAD",
    "/v2/_catalog": "GET",
    "/v2/a/tags/list": "GET",
    f"/v2/a/referrers/{DIGEST}": "GET",
    "/v2/a/manifests/t": "GET HEAD PUT DELETE",
    f"/v2/a/blobs/{DIGEST}": "GET HEAD DELETE",
    "/v2/a/blobs/uploads/": "POST",
    "/v2/a/blobs/uploads": "POST",
    f"/v2/a/blobs/uploads/{SESSION}": "GET HEAD PATCH PUT DELETE",
}
NAMED = [path for path in RESOURCES if path.startswith("/v2/a/")]


async def ask_plainly(client: Client, head: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a head without a body and check that the answer is a JSON error, where it is one."""
    status, headers, body = await client.say(head)
    if status >= 400:
        assert headers["content-type"] == "application/json"
        assert json.loads(body)["errors"][0]["code"]
        assert headers["docker-distribution-api-version"] == "registry/2.0"
    return status, headers, body


@pytest.mark.parametrize("path", ["/v2/", "/v2", "/v2/?ns=docker.io", "/v2?x", "/%762/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_ping(client: Client, path: str, method: str) -> None:
    """A6, A7."""
    answer = await client.ask(method, path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Content-Length"] == "2"
    assert answer.body == (b"{}" if method == "GET" else b"")


@pytest.mark.parametrize(("path", "methods"), RESOURCES.items())
async def test_what_is_not_offered(client: Client, path: str, methods: str) -> None:
    """H69: 405 says what is."""
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = await client.ask(method, path)
        if method in methods.split():
            assert answer.status != 405, method
        else:
            assert (answer.status, answer.headers["Allow"].split(", ")) == (405, methods.split())
            if method != "HEAD":
                answer.refused(405, "UNSUPPORTED")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1/_ping", "/v1/search?n=25&q=app", "/v3/", "/v2/a", "/v2//", "/v2/a/", "/v2/a/tags", "/v2/a/tags/"),
        *("/v2/a/tags/lists", "/v2/tags/list", "/v2/manifests/t", "/v2/_catalog/", "/v2/a/blobs/uploads/x/y"),
        *("/v2/a/blobs/x/uploads/y", "/v2/uploads/x", "/v2/a/uploads/x", "/v2/a/blobsuploads/"),
        *("/favicon.ico", "/v2/a/unknown/x", "//v2/", "/v2/../v2/", "/V2/", "/v2/blobs/uploads/", "/v2/%"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_paths_that_are_not_served(client: Client, path: str, method: str) -> None:
    """F61, H68: podman search begins with /v1/search, and goes on at a 404."""
    answer = await client.ask(method, path)
    if method == "HEAD":
        assert answer.status == 404
    else:
        answer.refused(404, "UNSUPPORTED")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "manifests",
            "blobs",
            "tags",
            "list",
            "referrers",
            "uploads",
            "v2",
            "a/manifests",
            "manifests/a",
            "tags/list",
        ),
        *("blobs/uploads", "a/blobs/uploads", "a/tags/list", "a/referrers/b", "a/blobs/sha256", "a/manifests/latest"),
    ],
)
async def test_names_that_hold_the_words_of_paths(client: Client, name: str) -> None:
    """A13: a path is read from its end."""
    content = name.encode()
    location = await client.open_upload(name)
    assert location.startswith(f"/v2/{name}/blobs/uploads/")
    digest = Digest.of(content)
    assert (await client.ask("PUT", f"{location}?digest={digest}", content)).status == 201
    assert (await client.ask("GET", f"/v2/{name}/blobs/{digest}")).body == content
    manifest = await client.push_image(name, "list")
    assert (await client.ask("GET", f"/v2/{name}/manifests/list")).digest == manifest
    assert (await client.ask("GET", f"/v2/{name}/tags/list")).json() == {"name": name, "tags": ["list"]}
    assert (await client.ask("GET", f"/v2/{name}/referrers/{manifest}")).json()["manifests"] == []
    assert (await client.ask("GET", "/v2/_catalog")).json() == {"repositories": [name]}


@pytest.mark.parametrize("path", NAMED)
@pytest.mark.parametrize(
    "name",
    [
        *("A", "a/B", "..", "a/..", "../a", "a//b", "a/", "/a", "-a", "a_", "a b", "a%20b", "%2e%2e", "a%2F..%2Fb"),
        *("a%00", "a%252Fb", "%C3%A9", "a%FF", "a" * 256, "a:b", "a@b", "_layers", "a/_uploads", "a.", "%2F", "%5C"),
    ],
)
async def test_names_outside_the_grammar(client: Client, path: str, name: str) -> None:
    """B14, K100: in every resource, before anything else is looked at."""
    method = RESOURCES[path].split()[0]
    path = path.replace("/v2/a/", f"/v2/{name.replace(' ', '%20')}/")
    (await client.ask(method, path)).refused(400, "NAME_INVALID")


async def test_a_path_is_decoded_once(client: Client) -> None:
    """A12, A13: raw or encoded, a slash is a slash and a colon is a colon."""
    manifest = await client.push_image("a/b", "t")
    quoted = manifest.replace(":", "%3A")
    for path in ("a%2Fb/manifests/t", "a%2fb%2Fmanifests%2Ft", f"a/b/manifests/{quoted}", f"a%2Fb/manifests/{quoted}"):
        assert (await client.ask("GET", f"/v2/{path}")).digest == manifest
    answer = await client.ask("POST", f"/v2/c/blobs/uploads/?mount={DIGEST.replace(':', '%3a')}&from=a%2fb")
    assert answer.status == 201


@pytest.mark.parametrize("target", ["http://x/v2/", "https://x:443/v2/?ns=a", "http://[::1]:5/v2/"])
async def test_the_absolute_form_of_a_target(client: Client, target: str) -> None:
    """RFC 9112, section 3.2.2: a server must accept it."""
    status, _, body = await ask_plainly(client, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (status, body) == (200, b"{}")


@pytest.mark.parametrize("query", ["ns=docker.io", "_state=x", "a=%", "&&&", "=", "digest", "a=b;c=d", "x=%FF%00", "?"])
async def test_parameters_that_nobody_asked_for(client: Client, query: str) -> None:
    """A11: containerd adds `ns` to every request."""
    await client.push_image("a", "t")
    for path in ("/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/t", f"/v2/a/blobs/{DIGEST}"):
        assert (await client.ask("GET", f"{path}?{query}")).status == 200
    (await client.ask("GET", f"/v2/a/blobs/{Digest.of(b'none')}?{query}")).refused(404, "BLOB_UNKNOWN")


async def test_the_request_id(client: Client) -> None:
    """Kept if it is a plain one, so that the proxy's log and ours can be laid side by side; else made here."""
    for given in ("abc-DEF_1.2", "x" * 64):
        for path, status in (("/v2/", 200), ("/nothing", 404)):
            answer = await client.ask("GET", path, headers={"X-Request-ID": given})
            assert (answer.status, answer.headers["X-Request-ID"]) == (status, given)
    made = set()
    for given in ("", "x" * 65, "a b", 'a"b', "é", "a/b"):
        made.add((await client.ask("GET", "/v2/", headers={"X-Request-ID": given})).headers["X-Request-ID"])
    assert len(made) == 6


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_connections_close_when_asked_to(client: Client, version: str) -> None:
    """A1: dockerd opens one for each request."""
    async with client.connection() as (reader, writer):
        writer.write(f"GET /v2/ HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert (await read_response(reader))[0] == 200
        assert await reader.read() == b""


async def test_connections_go_on_and_requests_may_be_sent_ahead(client: Client) -> None:
    """A1."""
    async with client.connection() as (reader, writer):
        writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\nHEAD /v2/x HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            assert (await read_response(reader))[0] == 200
            assert (await read_response(reader, body=False))[0] == 404


@pytest.mark.parametrize("accept", ["gzip", "gzip, deflate, br", "zstd;q=1.0, gzip;q=0.8"])
async def test_nothing_is_encoded(client: Client, accept: str) -> None:
    """A4."""
    await client.push_image("a", "t", annotations={"long": "x" * 5000})
    for path in ("/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/t", "/nothing"):
        answer = await client.ask("GET", path, headers={"Accept-Encoding": accept})
        assert isinstance(answer.json(), dict)
        assert answer.headers["Content-Length"] == str(len(answer.body))


class TestLimits:
    """A9, K92."""

    @pytest.mark.parametrize("header", ["Authorization: Bearer ", "Range: bytes=0-1,", "Cookie: "])
    async def test_long_headers_are_taken(self, client: Client, header: str) -> None:
        head = f"GET /v2/ HTTP/1.1\r\nHost: x\r\n{header}{'a' * 60_000}\r\n\r\n".encode()
        assert (await ask_plainly(client, head))[0] == 200

    async def test_a_long_request_line_is_taken(self, client: Client) -> None:
        query = "&".join(f"tag={number:0128}" for number in range(120))
        assert (await ask_plainly(client, f"GET /v2/?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))[0] == 200

    @pytest.mark.parametrize(
        "head",
        [
            f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret{'a' * 140_000}\r\n\r\n",
            f"GET /v2/ HTTP/1.1\r\nHost: x\r\n{'a' * 140_000}: secret\r\n\r\n",
            f"GET /v2/{'a' * 70_000}?secret HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /v2/ HTTP/1.1\r\nHost: x\r\n" + "X-A: secret\r\n" * 500 + "\r\n",
        ],
        ids=["value", "name", "line", "count"],
    )
    async def test_longer_ones_are_refused(
        self, client: Client, head: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """And nothing of a header, which may be a token, is in a log."""
        status, _, body = await ask_plainly(client, head.encode())
        assert status in (400, 431)
        logged = caplog.text + "".join(capfd.readouterr())
        assert "secret" not in logged + body.decode()
        assert "Traceback" not in logged


async def test_who_goes_on_sending_still_reads_the_refusal(client: Client) -> None:
    """A connection that is closed with bytes unread is reset, which takes the answer back."""
    async with client.connection() as (reader, writer):
        writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: " + b"a" * 16_000_000)
        await writer.drain()
        status, _, _ = await read_response(reader)
    assert status in (400, 431)


@pytest.mark.parametrize(
    "head",
    [
        b"GARBAGE\r\n\r\n",
        b"GET http://[x/v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n\r\n",
        b"FROBNICATE /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
        b"GET /v2/\xff/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_no_request(client: Client, head: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """H68: JSON even then; and the server goes on."""
    status, _, _ = await ask_plainly(client, head)
    assert status in (400, 413)
    assert "Traceback" not in caplog.text
    assert (await client.ask("GET", "/v2/")).status == 200


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "nonsense"])
async def test_the_label_of_a_body_is_not_believed(client: Client, method: str, encoding: str) -> None:
    """A4, K91: the bytes are stored as they are."""
    content = b"\x1f\x8b not really gzip"
    location = await client.open_upload("a")
    headers = {"Content-Encoding": encoding}
    if method == "PATCH":
        assert (await client.ask("PATCH", location, content, headers)).status == 202
    body = content if method == "PUT" else b""
    answer = await client.ask("PUT", f"{location}?digest={Digest.of(content)}", body, headers)
    assert answer.status == 201
    assert (await client.ask("GET", answer.headers["Location"])).body == content


async def test_a_body_that_no_method_asked_for_is_passed_over(client: Client) -> None:
    """A1: the next request on the connection is read behind it."""
    async with client.connection() as (reader, writer):
        writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        writer.write(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(3):
            status, _, body = await read_response(reader)
            assert (status, body) == (200, b"{}")


async def test_a_body_that_breaks_off_is_its_senders_fault(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """H68: 400, and no traceback."""
    head = b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with client.connection() as (reader, writer):
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"5\r\nhello\r\nZZ\r\n")
        status, _, _ = await read_response(reader)
        assert status == 400
    # Which is told of by the time that the next one is answered.
    assert (await client.ask("GET", "/v2/")).status == 200
    assert "Traceback" not in caplog.text


def test_every_route_names_the_permission_it_needs() -> None:
    """Which is what a later authorisation relies on: reading needs pull, writing push, removing delete."""
    for resource in (routes.MANIFEST, routes.BLOB):
        assert {method: str(route.action) for method, route in resource.items() if method != "PUT"} == {
            "GET": "pull",
            "HEAD": "pull",
            "DELETE": "delete",
        }
    assert routes.MANIFEST["PUT"].action == "push"
    assert {str(route.action) for route in (*routes.UPLOAD.values(), *routes.UPLOADS.values())} == {"push"}
    assert {str(route.action) for route in (*routes.TAGS.values(), *routes.REFERRERS.values())} == {"pull"}
    assert {str(route.action) for resource in routes.RESOURCES for route in resource.values()} == {
        *("ping", "catalog", "pull", "push", "delete")
    }
    with pytest.raises(RouteUnknown):
        routes.find("/v2/a")
