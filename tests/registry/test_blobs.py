"""Blobs (protocol C): whole, in parts, on conditions; from a file by the kernel and from memory by us."""

import asyncio
import email
import email.policy

import pytest

from storage.oci.digest import Digest
from tests.registry.client import Answer, Client

SMALL = bytes(range(256)) * 8
LARGE = bytes(range(251)) * 10_000
DIGEST = Digest.of(SMALL)
PATH = f"/v2/a/blobs/{DIGEST}"

both_drivers = pytest.mark.parametrize("store", ["folder", "memory"], indirect=True)
pytestmark = both_drivers


@pytest.fixture(autouse=True)
async def pushed(client: Client) -> None:
    await client.push_blob("a", SMALL)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_blob_whole(client: Client, method: str) -> None:
    """A5, C19: HEAD has the headers of GET."""
    answer = await client.ask(method, PATH)
    assert (answer.status, answer.body) == (200, SMALL if method == "GET" else b"")
    assert answer.digest == DIGEST
    assert answer.headers["Content-Length"] == str(len(SMALL))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == f'"{DIGEST}"'
    assert answer.headers["Cache-Control"] == "max-age=31536000"


@pytest.mark.parametrize("accept", ["gzip", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5", "*"])
async def test_a_blob_is_never_encoded(client: Client, accept: str) -> None:
    """A4: containerd decodes whatever is labelled."""
    answer = await client.ask("GET", PATH, headers={"Accept-Encoding": accept})
    assert (answer.status, answer.body) == (200, SMALL)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, len(LARGE)])
async def test_every_size_comes_whole_on_a_connection_that_goes_on(client: Client, size: int) -> None:
    """A1, A5: by whichever way a size is sent, and twice, so that a wrong length would be seen."""
    content = LARGE[:size]
    digest = await client.push_blob("a", content)
    for _ in range(2):
        answer = await client.ask("GET", f"/v2/a/blobs/{digest}")
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(size))
        assert answer.body == content


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, 2048),
        ("bytes=-500", 1548, 2048),
        ("bytes=-5000", 0, 2048),
        ("bytes=2000-5000", 2000, 2048),
        ("bytes=0-2047", 0, 2048),
        ("bytes=2047-", 2047, 2048),
    ],
)
async def test_part_of_a_blob(client: Client, value: str, start: int, stop: int) -> None:
    """C20."""
    answer = await client.ask("GET", PATH, headers={"Range": value})
    assert (answer.status, answer.body) == (206, SMALL[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/2048"
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.digest == DIGEST


async def test_part_of_a_large_blob(client: Client) -> None:
    """C20: containerd fetches the parts of one layer side by side."""
    digest = await client.push_blob("a", LARGE)
    spans = [(start, min(start + 700_000, len(LARGE))) for start in range(0, len(LARGE), 700_000)]
    answers = await asyncio.gather(
        *(client.ask("GET", f"/v2/a/blobs/{digest}", headers={"Range": f"bytes={a}-{b - 1}"}) for a, b in spans)
    )
    assert [answer.headers["Content-Range"] for answer in answers] == [
        f"bytes {a}-{b - 1}/{len(LARGE)}" for a, b in spans
    ]
    assert b"".join(answer.body for answer in answers) == LARGE


@pytest.mark.parametrize("value", ["bytes=500-0", "bytes=2048-", "bytes=5000-10000", "bytes=-0"])
async def test_a_part_that_is_not_there(client: Client, value: str) -> None:
    """C20, H69."""
    answer = await client.ask("GET", PATH, headers={"Range": value})
    answer.refused(416, "RANGE_INVALID")
    assert answer.headers["Content-Range"] == "bytes */2048"


def parts_of(answer: Answer) -> list[tuple[str, bytes]]:
    """The parts of a multipart answer, as Python's parser of mail sees them: Content-Range and bytes."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.body, policy=email.policy.HTTP)
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    found = []
    for part in message.iter_parts():
        assert part.get_content_type() == "application/octet-stream"
        body = part.get_payload(decode=True)
        assert isinstance(body, bytes)
        found.append((str(part["Content-Range"]), body))
    return found


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-1,5-6", [(0, 2), (5, 7)]),
        ("bytes=0-0,-1", [(0, 1), (2047, 2048)]),
        ("bytes=9-8, 100-199 ,9000-,1000-", [(100, 200), (1000, 2048)]),
        ("bytes=5-6,0-1", [(5, 7), (0, 2)]),
    ],
)
async def test_several_parts_of_a_blob(client: Client, value: str, spans: list[tuple[int, int]]) -> None:
    """C21: podman wants as many parts as it asked for, in its order."""
    answer = await client.ask("GET", PATH, headers={"Range": value})
    assert (answer.status, answer.digest) == (206, DIGEST)
    assert "Content-Range" not in answer.headers
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert parts_of(answer) == [(f"bytes {a}-{b - 1}/2048", SMALL[a:b]) for a, b in spans]


async def test_several_parts_of_a_large_blob(client: Client) -> None:
    """C21: parts that are read and parts that the kernel sends, on a connection that goes on."""
    digest = await client.push_blob("a", LARGE)
    spans = [(0, 1), (5, 70_000), (70_000, 700_000), (900_000, 900_100), (len(LARGE) - 100_000, len(LARGE))]
    wanted = ",".join(f"{a}-{b - 1}" for a, b in spans)
    for _ in range(2):
        answer = await client.ask("GET", f"/v2/a/blobs/{digest}", headers={"Range": f"bytes={wanted}"})
        assert answer.status == 206
        assert parts_of(answer) == [(f"bytes {a}-{b - 1}/{len(LARGE)}", LARGE[a:b]) for a, b in spans]


async def test_as_many_parts_as_podman_ever_asks_for(client: Client) -> None:
    digest = await client.push_blob("a", LARGE)
    spans = [(start, start + 1000) for start in range(0, 1024 * 2000, 2000)]
    wanted = ",".join(f"{a}-{b - 1}" for a, b in spans)
    answer = await client.ask("GET", f"/v2/a/blobs/{digest}", headers={"Range": f"bytes={wanted}"})
    assert [body for _, body in parts_of(answer)] == [LARGE[a:b] for a, b in spans]


async def test_a_part_that_remains_of_several_is_sent_as_one(client: Client) -> None:
    """RFC 9110, section 15.3.7.2."""
    answer = await client.ask("GET", PATH, headers={"Range": "bytes=9000-,0-1"})
    assert (answer.status, answer.body) == (206, SMALL[:2])
    assert answer.headers["Content-Range"] == "bytes 0-1/2048"


@pytest.mark.parametrize(
    "value",
    [
        *("items=0-1", "bytes", "bytes=a-b", "0-1", "", "bytes=0-1,x"),
        # More than the blob, or more ranges than any client needs.
        *("bytes=0-,0-1", "bytes=0-1500,1000-2047", "bytes=" + ",".join(f"{n}-{n}" for n in range(1025))),
    ],
)
async def test_ranges_that_are_passed_over(client: Client, value: str) -> None:
    """C20, C21: they are answered with all; a 416 makes podman give up."""
    answer = await client.ask("GET", PATH, headers={"Range": value})
    assert (answer.status, answer.body) == (200, SMALL)
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-5", "bytes=0-0", "bytes=0-1,5-6"])
async def test_a_range_of_nothing_is_nothing(client: Client, value: str) -> None:
    """C20: some clients add a range to every request."""
    digest = await client.push_blob("a", b"")
    answer = await client.ask("GET", f"/v2/a/blobs/{digest}", headers={"Range": value})
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (f'"{DIGEST}"', 206),
        ('"other"', 200),
        (f'W/"{DIGEST}"', 200),
        ("Tue, 24 Nov 2026 00:00:00 GMT", 200),
    ],
)
async def test_if_range(client: Client, condition: str, status: int) -> None:
    """C22: only a strong tag that matches lets a part be sent."""
    answer = await client.ask("GET", PATH, headers={"Range": "bytes=0-9", "If-Range": condition})
    assert (answer.status, answer.body) == (status, SMALL[:10] if status == 206 else SMALL)


async def test_if_range_comes_before_the_range_is_judged(client: Client) -> None:
    """C22: a range outside another version of the content is no fault."""
    answer = await client.ask("GET", PATH, headers={"Range": "bytes=9999-", "If-Range": '"other"'})
    assert (answer.status, answer.body) == (200, SMALL)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("value", [f'"{DIGEST}"', DIGEST, f'W/"{DIGEST}"', "*", f'"x", "{DIGEST}"'])
async def test_what_the_client_has_already(client: Client, method: str, value: str) -> None:
    """C19."""
    answer = await client.ask(method, PATH, headers={"If-None-Match": value, "Range": "bytes=0-1"})
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", f'"{DIGEST}"')
    answer = await client.ask("GET", PATH, headers={"If-None-Match": '"other"'})
    assert (answer.status, answer.body) == (200, SMALL)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_a_blob_belongs_to_its_repository(client: Client, method: str) -> None:
    """C23: in another repository it is unknown, and so is a manifest asked for as a blob."""
    manifest = await client.push_image("a")
    for path in (f"/v2/b/blobs/{DIGEST}", f"/v2/a/blobs/{Digest.of(b'none')}", f"/v2/a/blobs/{manifest}"):
        answer = await client.ask(method, path)
        if method == "HEAD":
            assert (answer.status, answer.body) == (404, b"")
        else:
            answer.refused(404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "digest", ["sha256:baddigeststring", "latest", "md5:" + "a" * 32, f"{DIGEST}x", DIGEST.upper()]
)
async def test_a_digest_that_is_none(client: Client, method: str, digest: str) -> None:
    """B16, B17."""
    (await client.ask(method, f"/v2/a/blobs/{digest}")).refused(400, "DIGEST_INVALID")


async def test_delete(client: Client) -> None:
    """E56: gone at once, here and nowhere else."""
    await client.push_blob("b", SMALL)
    answer = await client.ask("DELETE", PATH)
    assert (answer.status, answer.body) == (202, b"")
    assert (await client.ask("HEAD", PATH)).status == 404
    (await client.ask("DELETE", PATH)).refused(404, "BLOB_UNKNOWN")
    assert (await client.ask("GET", f"/v2/b/blobs/{DIGEST}")).body == SMALL
    await client.push_blob("a", SMALL)
    assert (await client.ask("GET", PATH)).body == SMALL


async def test_a_client_that_leaves_in_the_middle_disturbs_nobody(client: Client) -> None:
    """A1."""
    digest = await client.push_blob("a", LARGE)
    for _ in range(3):
        async with client.connection() as (reader, writer):
            writer.write(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await reader.readexactly(1000)
    assert (await client.ask("GET", f"/v2/a/blobs/{digest}")).body == LARGE
