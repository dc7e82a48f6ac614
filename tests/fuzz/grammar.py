"""Requests that are right, and the many ways to make them wrong."""

import hashlib
import json
import random
from collections.abc import Callable
from urllib.parse import quote

from tests.fuzz.exchange import Request, Response

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"

# Parts of a path or a query that somebody will send some day.
NASTY = [
    b"", b".", b"..", b"...", b"/", b"//", b"%2f", b"%2F..%2F..", b"%2e%2e", b"%00", b"%0d%0aX-Evil:%201", b"%ff%fe",
    b"%c3%28", b"%zz", b"%", b"%25%32%66", b"%ED%A0%80", b"\xc3\xa9", b"\xff\xfe", b"\xed\xa0\x80", "日本語".encode(),
    "\u202e\u0000".encode(), b"UPPER", b"a--b", b"a__b", b"a___b", b"a..b", b"-a", b"a-", b"_uploads", b"_layers",
    b"blobs", b"uploads", b"manifests", b"tags", b"list", b"referrers", b"_catalog", b"a" * 255, b"a" * 256,
    b"a/" * 127 + b"a", b"a/" * 2000, b"A" * 70_000, b"a" * 140_000, b"sha256:", b"sha256:" + b"0" * 63,
    b"sha256:" + b"0" * 64, b"sha256:" + b"F" * 64, b"sha512:" + b"0" * 128, b"sha512:" + b"0" * 64,
    b"md5:d41d8cd98f00b204e9800998ecf8427e", b"sha256:" + b"0" * 64 + b"%0a", b"sha256-" + b"0" * 64, b":", b"@",
    b"?", b"#", b";", b"&", b"=", b"+", b"*", b"$(id)", b"'", b'"', b"<script>", b"\\", b"{}", b"~", b"x~", b"\t",
    b"\x7f", b"\x01", b"latest", b"0" * 32, b"9" * 400, b"-1", b"1e9", b"NaN", b"0x10", "٣".encode(), b"\x0b",
]  # fmt: skip

NUMBERS = [
    b"0", b"1", b"-1", b"+1", b" 1", b"1 ", b"01", b"1_0", b"1.0", b"1e3", b"0x1", b"", b"9" * 18, b"9" * 19,
    b"9" * 20, b"9" * 5000, b"18446744073709551616", b"NaN", b"1,1", b"1, 2", "٣".encode(), b"\xb2", b"-0",
]  # fmt: skip

RANGES = [
    b"bytes=0-0", b"bytes=0-", b"bytes=-1", b"bytes=-0", b"bytes=1-0", b"bytes=-", b"bytes=", b"bytes", b"=",
    b"bytes=0-0,2-3", b"bytes=0-0," * 3000, b"bytes=" + b"9" * 30 + b"-", b"bytes=0-" + b"9" * 30, b"bytes=a-b",
    b"lines=0-1", b"BYTES=0-1", b"bytes = 0 - 1", b"bytes=0--1", b"bytes=" + "٣-٤".encode(), b"0-0", b"0-", b"-1",
    b"bytes 0-0/1", b"0-99999999999999999999", b"10-5", b"5-10", b"a-b", b"0-0/*", b"bytes */*", b"\xff-\xff",
]  # fmt: skip

HEADERS = {
    "Range": RANGES,
    "Content-Range": RANGES,
    "Accept": [b"", b"*/*", b";;;", b"," * 5000, MANIFEST.encode(), DOCKER.encode() + b";q=0", b"\xff", b"a/b;q=x"],
    "Content-Type": [b"", b"/", b"text/html", MANIFEST.encode(), INDEX.encode(), LIST.encode(), b"\xff\xfe",
                     MANIFEST.encode() + b"; charset=utf-8", b"a" * 9000, b"multipart/form-data"],
    "If-None-Match": [b"*", b'"', b'W/"', b'"a","b"', b"," * 1000, b"\xff", b"sha256:" + b"0" * 64],
    "If-Range": [b"*", b'"a"', b"Wed, 21 Oct 2015 07:28:00 GMT", b"\xff"],
    "Content-Encoding": [b"gzip", b"br", b"deflate", b"\xff", b"x" * 100],
    "Accept-Encoding": [b"gzip", b"zstd;q=1.0, gzip;q=0.8", b"\xff"],
    "Connection": [b"close", b"keep-alive", b"\xff", b"x, close, keep-alive"],
    "Host": [b"", b"evil.example", b"[::1", b"a:b:c", b"\xff", b"a" * 5000],
    "Authorization": [b"Basic", b"Basic !!!", b"Bearer " + b"x" * 60_000, b"\xff", b"Digest a=b", b"x" * 140_000],
    "X-Request-ID": [b"", b"a b", b"a" * 64, b"a" * 65, b"\xff", b"{}", b'"'],
    "User-Agent": [b"", b"\xff\xfe", "\u202e".encode(), b"x" * 60_000, b'"\\'],
    "X-Forwarded-Proto": [b"https", b"javascript", b"\xff"],
    "X-Forwarded-For": [b"::1", b"\xff", b"1.1.1.1, 2.2.2.2"],
    "Cookie": [b"a=b; c", b"=" * 1000, b"\xff"],
    "X-" + "a" * 3000: [b"1"],
    "Date": [b"never"],
    "Trailer": [b"Content-Length"],
}  # fmt: skip

# These say where a request ends; whoever changes them may be waited for.
FRAMING = {
    "Content-Length": NUMBERS,
    "Transfer-Encoding": [b"chunked", b"gzip", b"chunked, chunked", b"identity", b"\xff", b"", b"xchunked"],
    "Expect": [b"100-continue", b"200-ok", b"", b"\xff"],
    "Upgrade": [b"h2c", b"websocket", b"\xff"],
    "Connection": [b"upgrade", b"Upgrade, HTTP2-Settings"],
}

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "M-SEARCH", "PURGE"]

JSON = [
    b"", b"{", b"[]", b"null", b"1", b'""', b"{}", b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 50_000,
    b'{"schemaVersion":2}', b'{"schemaVersion":"2"}', b'{"schemaVersion":1e400}',
    b'{"schemaVersion":' + b"9" * 5000 + b"}",
    b'{"schemaVersion":2,"config":null,"layers":null}', b'{"schemaVersion":2,"manifests":[null]}',
    b'{"schemaVersion":2,"manifests":[],"layers":[]}', b'{"schemaVersion":2,"config":{"digest":"\\ud800","size":1}}',
    b'{"schemaVersion":2,"config":{"digest":"sha256:x","size":1},"layers":[]}',
    b'{"schemaVersion":2,"config":{"digest":5,"size":-1},"layers":[]}', b'{"schemaVersion":2,"annotations":{"a":1}}',
    b'{"schemaVersion":2,"schemaVersion":1}', b"NaN", b'{"schemaVersion":2,"subject":"x"}', b" " * 4_200_000,
    b'{"schemaVersion":2,"mediaType":"' + b"a" * 10_000 + b'"}', b'{"schemaVersion":2,"mediaType":"\\u0000"}',
]  # fmt: skip


class Client:
    """One client's requests, drawn from its own generator and from what it has stored so far."""

    def __init__(self, number: int, seed: int) -> None:
        self.random = random.Random(f"{seed} {number}")
        self.repositories = [f"w{number}/app", f"w{number}/blobs/uploads", f"w{number}/manifests/tags/list"]
        self.blobs = [b"", b"{}", *(self.random.randbytes(size) for size in (1, 100, 5_000, 70_000))]
        images = [self._manifest() for _ in range(4)]
        self.manifests = [*images, _index(images[:2])]
        self.sessions: list[str] = []

    def request(self) -> Request:
        """Something a client might send, wrong in up to three ways; or not a request at all."""
        request = self._right()
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2, 3))):
            self.random.choice(MUTATIONS)(request, self.random)
        return request

    def garbage(self) -> bytes:
        """Bytes that are no request, or nearly one."""
        choose = self.random
        valid = bytearray(self._right().encode())
        match choose.randrange(5):
            case 0:
                return choose.randbytes(choose.randrange(1, 400))
            case 1:
                for _ in range(choose.randrange(1, 8)):
                    valid[choose.randrange(len(valid))] = choose.randrange(256)
            case 2:
                del valid[choose.randrange(len(valid)) :]
            case 3:
                at = choose.randrange(len(valid))
                valid[at:at] = choose.choice((b"\r", b"\n", b"\r\n", b"\0", b"\r\n\r\n", choose.randbytes(20)))
            case _:
                return choose.choice(RAW)
        return bytes(valid)

    def learn(self, response: Response) -> None:
        """Remember an upload session that was opened, to go on with it."""
        location = response.header("location")
        if response.status == 202 and "/uploads/" in location:
            self.sessions = [*self.sessions[-5:], location]

    def _right(self) -> Request:
        request = self.random.choice(self._kinds())()
        request.headers[:0] = [("Host", b"127.0.0.1")]
        return request

    def _kinds(self) -> list[Callable[[], Request]]:
        return [
            self._ping, self._list, self._list, self._referrers, self._read, self._read, self._read_blob,
            self._read_blob, self._start, self._start, self._whole, self._whole, self._go_on, self._go_on, self._go_on,
            self._put_manifest, self._put_manifest, self._put_manifest, self._delete,
        ]  # fmt: skip

    def _ping(self) -> Request:
        return Request(self.random.choice(("GET", "HEAD")), self.random.choice((b"/v2/", b"/v2", b"/", b"*", b"/v1/")))

    def _list(self) -> Request:
        path = self.random.choice(("/v2/_catalog", f"/v2/{self._repository()}/tags/list"))
        number, last = self.random.choice(NUMBERS), self.random.choice(NASTY)
        query = self.random.choice((b"", b"?n=2", b"?n=0", b"?last=a", b"?n=" + number, b"?n=1&last=" + last))
        return Request("GET", path.encode() + query)

    def _referrers(self) -> Request:
        query = self.random.choice(
            ("", "?artifactType=a/b", "?artifactType=a%2Fb%2Bc", "?artifactType=&artifactType=x")
        )
        digest = digest_of(self.random.choice(self.manifests)[0])
        return Request("GET", f"/v2/{self._repository()}/referrers/{digest}{query}".encode())

    def _read(self) -> Request:
        request = Request(self.random.choice(("GET", "HEAD")), self._manifest_path())
        request.headers.append(("Accept", self.random.choice((b"*/*", MANIFEST.encode(), DOCKER.encode()))))
        return request

    def _read_blob(self) -> Request:
        content = self.random.choice(self.blobs)
        request = Request(self.random.choice(("GET", "HEAD")), self._blob_path(content))
        if self.random.random() < 0.5:
            first, last = sorted(self.random.randrange(len(content) + 2) for _ in range(2))
            request.headers.append(("Range", f"bytes={first}-{last}".encode()))
        return request

    def _start(self) -> Request:
        digest, other = digest_of(self.random.choice(self.blobs)), self.random.choice(self.repositories)
        query = self.random.choice(
            ("", "", f"?mount={digest}&from={other}", f"?mount={digest}", "?digest-algorithm=sha512", "?mount=&from=")
        )
        return Request("POST", f"/v2/{self._repository()}/blobs/uploads/{query}".encode())

    def _whole(self) -> Request:
        content = self.random.choice(self.blobs)
        algorithm = self.random.choice(("sha256", "sha256", "sha512"))
        path = f"/v2/{self._repository()}/blobs/uploads/?digest={digest_of(content, algorithm)}"
        return Request("POST", path.encode(), body=content, chunked=self.random.random() < 0.3)

    def _go_on(self) -> Request:
        if not self.sessions:
            return self._start()
        content = self.random.choice(self.blobs)
        method = self.random.choice(("PATCH", "PATCH", "PUT", "PUT", "GET", "HEAD", "DELETE"))
        request = Request(method, self.random.choice(self.sessions).encode())
        if method in ("PATCH", "PUT"):
            request.body, request.chunked = content, self.random.random() < 0.3
            if self.random.random() < 0.5:
                request.headers.append(("Content-Range", f"0-{len(content) - 1}".encode()))
        if method == "PUT":
            request.target += f"?digest={quote(digest_of(content))}".encode()
        return request

    def _put_manifest(self) -> Request:
        raw, media_type = self.random.choice(self.manifests)
        reference = self.random.choice(("latest", "v1", digest_of(raw), digest_of(raw, "sha512")))
        tags = self.random.choice(("", "", "?tag=a&tag=b"))
        request = Request("PUT", f"/v2/{self._repository()}/manifests/{reference}{tags}".encode(), body=raw)
        request.headers.append(("Content-Type", media_type.encode()))
        return request

    def _delete(self) -> Request:
        content = self.random.choice(self.blobs)
        return Request("DELETE", self.random.choice((self._manifest_path(), self._blob_path(content))))

    def _repository(self) -> str:
        # Mostly one, so that what is asked for is often there.
        return self.random.choice((self.repositories[0], self.random.choice(self.repositories)))

    def _manifest_path(self) -> bytes:
        raw, _ = self.random.choice(self.manifests)
        reference = self.random.choice(("latest", "v1", "a", digest_of(raw), digest_of(raw, "sha512")))
        return f"/v2/{self._repository()}/manifests/{reference}".encode()

    def _blob_path(self, content: bytes) -> bytes:
        return f"/v2/{self._repository()}/blobs/{digest_of(content)}".encode()

    def _manifest(self) -> tuple[bytes, str]:
        layers = self.random.sample(self.blobs, self.random.randrange(3))
        document = {
            "schemaVersion": 2,
            "mediaType": (media_type := self.random.choice((MANIFEST, DOCKER))),
            "config": describe(b"{}", CONFIG),
            "layers": [describe(layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
        }
        if self.random.random() < 0.5:
            document["subject"] = describe(b"{}", MANIFEST)
        return json.dumps(document).encode(), media_type


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def describe(content: bytes, media_type: str) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _index(images: list[tuple[bytes, str]]) -> tuple[bytes, str]:
    children = [describe(raw, media_type) for raw, media_type in images]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode(), INDEX


def _other_method(request: Request, choose: random.Random) -> None:
    request.method = choose.choice(METHODS)


def _nasty_segment(request: Request, choose: random.Random) -> None:
    path, mark, query = request.target.partition(b"?")
    parts = path.split(b"/")
    parts[choose.randrange(len(parts))] = choose.choice(NASTY)
    request.target = b"/".join(parts) + mark + query


def _insert_in_target(request: Request, choose: random.Random) -> None:
    at = choose.randrange(len(request.target) + 1)
    request.target = request.target[:at] + choose.choice(NASTY) + request.target[at:]


def _percent_encode(request: Request, choose: random.Random) -> None:
    rate = choose.choice((0.1, 1.0))
    encoded = (b"%%%02x" % c if choose.random() < rate and c not in b"/?&=" else bytes([c]) for c in request.target)
    request.target = b"".join(encoded)


def _more_query(request: Request, choose: random.Random) -> None:
    keys = (b"n", b"last", b"digest", b"mount", b"from", b"tag", b"artifactType", b"digest-algorithm", b"ns", b"%ff")
    count = choose.choice((1, 1, 2, 12, 150, 300))
    pairs = b"&".join(choose.choice(keys) + b"=" + choose.choice(NASTY[:60])[:300] for _ in range(count))
    request.target += (b"&" if b"?" in request.target else b"?") + pairs


def _header(request: Request, choose: random.Random) -> None:
    name = choose.choice(list(HEADERS))
    request.headers = [pair for pair in request.headers if pair[0] != name or choose.random() < 0.1]
    request.headers.append((name, choose.choice(HEADERS[name])))


def _lose_header(request: Request, choose: random.Random) -> None:
    if request.headers:
        del request.headers[choose.randrange(len(request.headers))]


def _repeat_header(request: Request, choose: random.Random) -> None:
    if request.headers:
        request.headers += [choose.choice(request.headers)] * choose.choice((1, 2, 200))


def _framing(request: Request, choose: random.Random) -> None:
    name = choose.choice(list(FRAMING))
    request.headers.append((name, choose.choice(FRAMING[name])))
    request.cut = True


def _body(request: Request, choose: random.Random) -> None:
    body = request.body
    match choose.randrange(4):
        case 0:
            request.body = choose.choice(JSON)
        case 1 if body:
            at = choose.randrange(len(body))
            request.body = body[:at] + bytes([body[at] ^ (1 << choose.randrange(8))]) + body[at + 1 :]
        case 2:
            request.body = body[: choose.randrange(len(body) + 1)]
        case _:
            request.body = body + choose.randbytes(choose.randrange(1, 300))


def _chunked(request: Request, _: random.Random) -> None:
    request.chunked = not request.chunked


MUTATIONS = [
    _other_method, _nasty_segment, _nasty_segment, _insert_in_target, _percent_encode, _more_query, _header, _header,
    _header, _lose_header, _repeat_header, _framing, _body, _body, _chunked,
]  # fmt: skip

RAW = [
    b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /v2/ HTTP/0.9\r\n\r\n",
    b"GET /v2/ HTTP/1.0\r\n\r\n",
    b"GET /v2/ HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /v2/\r\n",
    b"GET  /v2/  HTTP/1.1\r\n\r\n",
    b"GET http://evil.example/v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //evil.example/v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\nHost: a\r\n folded: 1\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\n: a\r\n\r\n",
    b"GET /v2/ HTTP/1.1\nHost: a\n\n",
    b"GET /v2/ HTTP/1.1\r\nA: \0\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\n" + b"A: b\r\n" * 2000 + b"\r\n",
    b"GET /v2/ HTTP/1.1\r\nA: " + b"b" * 300_000,
    b"GET /" + b"a" * 300_000,
    b"PUT /v2/a/manifests/b HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"PUT /v2/a/manifests/b HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /v2/a/manifests/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"PUT /v2/a/manifests/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n",
    b"PUT /v2/a/manifests/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    b"PUT /v2/a/manifests/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 70_000 + b"\r\na\r\n0\r\n\r\n",
    b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: 1\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n" * 50,
    b"GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
]
