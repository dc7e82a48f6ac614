"""Uploads (protocol D), in every form that clients use."""

import asyncio

import pytest

from storage.local import LocalNamespace
from storage.oci.digest import Digest
from tests.registry.client import Client

CONTENT = bytes(range(256)) * 12
DIGEST = Digest.of(CONTENT)
EMPTY = Digest.of(b"")
UNKNOWN = Digest.of(b"unknown")
STATUS = {"Content-Length": "0"}


async def pulled(client: Client, name: str = "a", digest: str = DIGEST) -> bytes:
    answer = await client.ask("GET", f"/v2/{name}/blobs/{digest}")
    assert answer.status == 200, answer
    return answer.body


async def test_a_session_is_opened(client: Client) -> None:
    """D25, A3, A7: the Location is a path, below the repository, and the body's type does not matter."""
    for path in ("/v2/a/b/blobs/uploads/", "/v2/a/b/blobs/uploads"):
        for headers in ({}, {"Content-Type": "application/json"}):
            answer = await client.ask("POST", path, b"", headers)
            assert (answer.status, answer.body, answer.headers["Content-Length"]) == (202, b"", "0")
            session = answer.headers["Docker-Upload-UUID"]
            assert answer.headers["Location"] == f"/v2/a/b/blobs/uploads/{session}"
            assert answer.headers["Range"] == "0-0"


async def test_post_and_put(client: Client) -> None:
    """D30, D35: the whole blob with the closing PUT."""
    location = await client.open_upload("a")
    answer = await client.ask("PUT", f"{location}?digest={DIGEST}", CONTENT)
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (201, b"", "0")
    assert answer.headers["Location"] == f"/v2/a/blobs/{DIGEST}"
    assert answer.digest == DIGEST
    assert (await client.ask("GET", answer.headers["Location"])).body == CONTENT


@pytest.mark.parametrize("body", [CONTENT, [CONTENT[:1000], CONTENT[1000:]]], ids=["length", "chunked"])
async def test_single_post(client: Client, body: object) -> None:
    """D26."""
    answer = await client.ask("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}", body)
    assert (answer.status, answer.digest) == (201, DIGEST)
    assert answer.headers["Location"] == f"/v2/a/blobs/{DIGEST}"
    assert await pulled(client) == CONTENT


async def test_the_empty_blob(client: Client) -> None:
    """D26: an empty body with the digest of nothing is a blob."""
    answer = await client.ask("POST", f"/v2/a/blobs/uploads/?digest={EMPTY}", b"", STATUS)
    assert answer.status == 201
    location = await client.open_upload("b")
    assert (await client.ask("PUT", f"{location}?digest={EMPTY}", b"")).status == 201
    for name in ("a", "b"):
        answer = await client.ask("GET", f"/v2/{name}/blobs/{EMPTY}")
        assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize("path", ["?digest={}", "?digest-algorithm=sha512&digest={}"])
async def test_a_failed_single_post_leaves_no_session(client: Client, namespace: LocalNamespace, path: str) -> None:
    """D30: a wrong digest; there is nobody who knows of the session."""
    answer = await client.ask("POST", f"/v2/a/blobs/uploads/{path.format(UNKNOWN)}", CONTENT)
    answer.refused(400, "DIGEST_INVALID")
    assert await namespace.purge_uploads(idle=-1) == 0
    (await client.ask("GET", f"/v2/a/blobs/{UNKNOWN}")).refused(404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("headers", [STATUS, {}])
@pytest.mark.parametrize("span", ["{0}-{0}", "0-{0}", "{0}-{1}"])
async def test_a_closing_put_of_nothing_may_name_any_range(client: Client, span: str, headers: dict[str, str]) -> None:
    """D30: some clients say where the next chunk would lie; there is none."""
    location = await client.open_upload("a")
    await client.ask("PATCH", location, CONTENT)
    named = span.format(len(CONTENT), len(CONTENT) - 1)
    answer = await client.ask("PUT", f"{location}?digest={DIGEST}", None, {"Content-Range": named, **headers})
    assert (answer.status, answer.digest) == (201, DIGEST)
    assert await pulled(client) == CONTENT


async def test_docker_streams_one_chunk_of_unknown_length(client: Client) -> None:
    """D27, D29: dockerd takes the layer's size from the Range of this answer."""
    location = await client.open_upload("a")
    answer = await client.ask("PATCH", location, [CONTENT[:7], CONTENT[7:]])
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(CONTENT) - 1}")
    assert answer.headers["Location"] == location
    assert location.endswith(answer.headers["Docker-Upload-UUID"])
    assert (await client.ask("PUT", f"{location}?digest={DIGEST}", b"", STATUS)).status == 201
    assert await pulled(client) == CONTENT


@pytest.mark.parametrize("form", ["{}-{}", "bytes {}-{}/*", "bytes {}-{}/3072"])
@pytest.mark.parametrize("last_by", ["PATCH", "PUT"])
async def test_chunks_in_order(client: Client, form: str, last_by: str) -> None:
    """D28, D30: some clients write the Content-Range as a response has it."""
    location = await client.open_upload("a")
    chunks = [(start, CONTENT[start : start + 1000]) for start in range(0, len(CONTENT), 1000)]
    for number, (start, chunk) in enumerate(chunks):
        headers = {"Content-Range": form.format(start, start + len(chunk) - 1)}
        if number + 1 == len(chunks) and last_by == "PUT":
            break
        answer = await client.ask("PATCH", location, chunk, headers)
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{start + len(chunk) - 1}")
    body, last = (chunk, headers) if last_by == "PUT" else (b"", STATUS)
    assert (await client.ask("PUT", f"{location}?digest={DIGEST}", body, last)).status == 201
    assert await pulled(client) == CONTENT


@pytest.mark.parametrize(
    "content_range", ["2000-2999", "0-999", "1001-2000", "999-1998", "5-4", "x", "bytes=1000-1999"]
)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_chunk_out_of_order(client: Client, method: str, content_range: str) -> None:
    """D28, D30: 416 that says where to go on, before any digest is looked at, and the session survives."""
    location = await client.open_upload("a")
    await client.ask("PATCH", location, CONTENT[:1000], {"Content-Range": "0-999"})
    target = location if method == "PATCH" else f"{location}?digest={DIGEST}"
    answer = await client.ask(method, target, bytes(1000), {"Content-Range": content_range})
    answer.refused(416, "RANGE_INVALID")
    assert (answer.headers["Location"], answer.headers["Range"]) == (location, "0-999")
    assert await client.held(location) == "0-999"
    answer = await client.ask("PUT", f"{location}?digest={DIGEST}", CONTENT[1000:], {"Content-Range": "1000-3071"})
    assert answer.status == 201
    assert await pulled(client) == CONTENT


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("body", [bytes(10), [bytes(10)], [], [bytes(3)], [bytes(5), bytes(5), bytes(5)]])
async def test_a_chunk_of_another_length_than_it_says(client: Client, method: str, body: object) -> None:
    """D28: nothing of it is kept, be its length in a header or counted as it comes."""
    location = await client.open_upload("a")
    await client.ask("PATCH", location, b"kept")
    target = location if method == "PATCH" else f"{location}?digest={Digest.of(b'kept')}"
    answer = await client.ask(method, target, body, {"Content-Range": "4-8"})
    answer.refused(400, "SIZE_INVALID")
    assert await client.held(location) == "0-3"
    assert (await client.ask("PUT", f"{location}?digest={Digest.of(b'kept')}", b"", STATUS)).status == 201


async def test_an_empty_patch_changes_nothing(client: Client) -> None:
    """D29."""
    location = await client.open_upload("a")
    answer = await client.ask("PATCH", location, b"", STATUS)
    assert (answer.status, answer.headers["Range"]) == (202, "0-0")
    await client.ask("PATCH", location, b"ab")
    answer = await client.ask("PATCH", location, b"", STATUS)
    assert (answer.status, answer.headers["Range"]) == (202, "0-1")


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/x-www-form-urlencoded", ""])
async def test_the_type_of_a_chunk_does_not_matter(client: Client, content_type: str) -> None:
    """A3: nor does its label of an encoding (A4, K91): what is sent is what is stored."""
    headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
    location = await client.open_upload("a")
    assert (await client.ask("PATCH", location, CONTENT[:9], headers)).status == 202
    assert (await client.ask("PUT", f"{location}?digest={DIGEST}", CONTENT[9:], headers)).status == 201
    assert await pulled(client) == CONTENT


@pytest.mark.parametrize("digest", ["", "?digest=", "?digest=sha256:x", "?digest=md5:abc", f"?digest={DIGEST.upper()}"])
async def test_put_without_a_digest(client: Client, digest: str) -> None:
    """D30: the session survives."""
    location = await client.open_upload("a")
    await client.ask("PATCH", location, CONTENT[:10])
    (await client.ask("PUT", location + digest, CONTENT[10:])).refused(400, "DIGEST_INVALID")
    assert await client.held(location) == "0-9"
    assert (await client.ask("PUT", f"{location}?digest={DIGEST}", CONTENT[10:])).status == 201


async def test_put_with_the_digest_of_something_else(client: Client) -> None:
    """D30: the session is dropped; clients begin again with POST."""
    location = await client.open_upload("a")
    (await client.ask("PUT", f"{location}?digest={UNKNOWN}", CONTENT)).refused(400, "DIGEST_INVALID")
    (await client.ask("GET", location)).refused(404, "BLOB_UPLOAD_UNKNOWN")
    for digest in (UNKNOWN, DIGEST):
        assert (await client.ask("HEAD", f"/v2/a/blobs/{digest}")).status == 404


async def test_sha512(client: Client) -> None:
    """B17, B18: the digest of the closing PUT decides, though the session did not know of it."""
    digest = Digest.of(CONTENT, "sha512")
    location = await client.open_upload("a")
    await client.ask("PATCH", location, CONTENT[:1000])
    answer = await client.ask("PUT", f"{location}?digest={digest}", CONTENT[1000:])
    assert (answer.status, answer.digest, answer.headers["Location"]) == (201, digest, f"/v2/a/blobs/{digest}")
    assert await pulled(client, digest=digest) == CONTENT
    (await client.ask("GET", f"/v2/a/blobs/{DIGEST}")).refused(404, "BLOB_UNKNOWN")


async def test_the_algorithm_announced(client: Client) -> None:
    """B18."""
    for algorithm in ("sha256", "sha512"):
        answer = await client.ask("POST", f"/v2/a/blobs/uploads/?digest-algorithm={algorithm}")
        assert answer.status == 202
    for algorithm in ("md5", "", "blake3", "x" * 300):
        answer = await client.ask("POST", f"/v2/a/blobs/uploads/?digest-algorithm={algorithm}")
        answer.refused(400, "DIGEST_INVALID")


async def test_status(client: Client) -> None:
    """D32: GET and HEAD, any number of times, with whatever query was in an earlier Location (A11)."""
    location = await client.open_upload("a")
    for method in ("GET", "HEAD"):
        for query in ("", "?_state=old", "?ns=docker.io"):
            answer = await client.ask(method, location + query)
            assert (answer.status, answer.headers["Range"]) == (204, "0-0")
            assert answer.headers["Location"] == location
            assert location.endswith(answer.headers["Docker-Upload-UUID"])
    await client.ask("PATCH", f"{location}?_state=old", CONTENT)
    assert await client.held(location) == f"0-{len(CONTENT) - 1}"


async def test_cancel(client: Client) -> None:
    """D33."""
    location = await client.open_upload("a")
    answer = await client.ask("DELETE", location)
    assert (answer.status, answer.body) == (204, b"")
    (await client.ask("DELETE", location)).refused(404, "BLOB_UPLOAD_UNKNOWN")
    (await client.ask("PATCH", location, b"x")).refused(404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
async def test_sessions_that_are_not_there(client: Client, method: str) -> None:
    """D34: finished, of another repository, or never opened."""
    finished = await client.open_upload("a")
    assert (await client.ask("PUT", f"{finished}?digest={EMPTY}", b"")).status == 201
    foreign = (await client.open_upload("a")).replace("/v2/a/", "/v2/b/")
    odd = [f"/v2/a/blobs/uploads/{session}" for session in ("0" * 32, "x", "A" * 32, "..", "%2e%2e", "0" * 3000, "%00")]
    for location in (finished, foreign, *odd):
        answer = await client.ask(method, f"{location}?digest={DIGEST}", b"x" if method in ("PATCH", "PUT") else None)
        answer.refused(404, "BLOB_UPLOAD_UNKNOWN")


async def test_mount(client: Client) -> None:
    """D36, A12: with and without escapes, and `origin` as crane adds it."""
    await client.push_blob("a/from", CONTENT)
    quoted = DIGEST.replace(":", "%3A")
    queries = [
        f"?mount={DIGEST}&from=a/from",
        f"?from=a%2Ffrom&mount={quoted}",
        f"?from=a%2Ffrom&mount={quoted}&origin=localhost%3A5000",
        f"?mount={DIGEST}",
    ]
    for number, query in enumerate(queries):
        answer = await client.ask("POST", f"/v2/to/{number}/blobs/uploads/{query}", b"", STATUS)
        assert (answer.status, answer.digest) == (201, DIGEST)
        assert answer.headers["Location"] == f"/v2/to/{number}/blobs/{DIGEST}"
        assert await pulled(client, f"to/{number}") == CONTENT


@pytest.mark.parametrize(
    "query",
    [
        f"?mount={UNKNOWN}&from=a",
        f"?mount={UNKNOWN}",
        f"?mount={DIGEST}&from=nobody",
        f"?mount={DIGEST}&from=INVALID",
        f"?mount={DIGEST}&from=",
        f"?mount={DIGEST}&from=../a",
        "?mount=sha256:bad&from=a",
        "?mount=&from=a",
        "?from=a",
    ],
)
async def test_a_mount_that_cannot_be_had_is_an_upload(client: Client, query: str) -> None:
    """D36: never 400, 403 or 404."""
    await client.push_blob("a", CONTENT)
    answer = await client.ask("POST", f"/v2/b/blobs/uploads/{query}", b"", STATUS)
    assert (answer.status, answer.headers["Range"]) == (202, "0-0")
    assert (await client.ask("PUT", f"{answer.headers['Location']}?digest={DIGEST}", CONTENT)).status == 201


async def test_the_same_blob_from_many_at_once(client: Client) -> None:
    """D37: Docker pushes five at a time."""

    async def push() -> int:
        location = await client.open_upload("a")
        await client.ask("PATCH", location, [CONTENT])
        return (await client.ask("PUT", f"{location}?digest={DIGEST}", b"", STATUS)).status

    assert await asyncio.gather(*(push() for _ in range(8))) == [201] * 8
    assert await pulled(client) == CONTENT
    assert (await client.ask("POST", f"/v2/a/blobs/uploads/?digest={DIGEST}", CONTENT)).status == 201
