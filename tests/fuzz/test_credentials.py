"""No credentials but the right ones open anything, however they are written, and none breaks the server."""

import asyncio
import base64
import random
from collections import Counter
from pathlib import Path

from tests.fuzz.exchange import Connection, Request, judge
from tests.parts import accounts
from tests.parts import server as server_part
from tests.parts.accounts import basic, token
from tests.parts.paced import BY, delays
from tests.parts.server import Server

REQUESTS = 20_000
CLIENTS = 8
SHOWN = 2_000

DIGEST = b"sha256:" + b"0" * 64
# Everything that needs a right which nobody has here who is not known.
CLOSED = [
    ("GET", b"/v2/"), ("GET", b"/v2/_catalog"), ("GET", b"/v2/team/app/tags/list"),
    ("HEAD", b"/v2/team/app/manifests/1"), ("GET", b"/v2/team/app/manifests/1"), ("PUT", b"/v2/team/app/manifests/1"),
    ("DELETE", b"/v2/team/app/manifests/1"), ("GET", b"/v2/team/app/blobs/" + DIGEST),
    ("POST", b"/v2/team/app/blobs/uploads/"), ("POST", b"/v2/team/app/blobs/uploads/?from=a&mount=" + DIGEST),
    ("PATCH", b"/v2/team/app/blobs/uploads/" + b"0" * 32), ("GET", b"/v2/team/app/referrers/" + DIGEST),
]  # fmt: skip
ALPHABET = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. :,"\\\t\x7f\xff\x80'
SCHEMES = (b"Basic", b"basic", b"Bearer", b"BEARER", b"Digest", b"Negotiate", b"", b"Basic Basic", b"Bearer Bearer")
CLAIMS = (
    '{"iss":"preg","aud":"preg","sub":"admin","exp":9999999999,"preg":{"groups":["admins"]}}',
    '{"iss":"preg","aud":["preg"],"sub":"","exp":1e999,"access":null,"preg":null}',
    '{"iss":["preg"],"aud":{},"sub":5,"exp":"9999999999","access":[{}],"preg":[]}',
    "[]", "null", "{", '{"exp":NaN}', "[" * 5000, '"' + "\\ud800" * 10 + '"',
)  # fmt: skip
HEADS = (
    '{"alg":"none"}', '{"alg":"HS256"}', '{"alg":"EdDSA","kid":""}', '{"alg":"EdDSA","kid":5}', '{"alg":["EdDSA"]}',
    '{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"AAAA"}}', '{"alg":"RS256","x5c":["AAAA"]}', "{}", "[]",
    '{"alg":"EdDSA","x5c":"AAAA"}', '{"alg":"EdDSA","jwk":"x","crit":["x"]}', '{"alg":"ES256","kid":"../x"}',
)  # fmt: skip


class Forger:
    """Draws headers that are no credentials of anybody, though some nearly are."""

    def __init__(self, seed: str, real: str, password: str) -> None:
        self.random = random.Random(seed)
        self.real = real
        self.password = password

    def header(self) -> bytes:
        choose = self.random
        match choose.randrange(6):
            case 0:
                return choose.choice(SCHEMES) + b" " + self.noise(choose.choice((0, 1, 10, 100, 1000, 60_000)))
            case 1:
                return b"Bearer " + self.altered(self.real)
            case 2:
                return b"Bearer " + ".".join((b64(choose.choice(HEADS)), b64(choose.choice(CLAIMS)), "AA")).encode()
            case 3:
                head, payload, signature = self.real.split(".")
                parts = [head, payload, signature, b64(choose.choice(CLAIMS)), b64(choose.choice(HEADS)), ""]
                made = ".".join(choose.choices(parts, k=choose.choice((1, 2, 3, 3, 3, 3, 4, 5))))
                return b"Bearer " + (made if made != self.real else "x").encode()
            case 4:
                return b"Basic " + base64.b64encode(choose.randbytes(choose.randrange(60)))
            case _:
                return b"Basic " + self.altered(self.password)

    def noise(self, length: int) -> bytes:
        return bytes(self.random.choices(ALPHABET, k=length))

    def altered(self, text: str) -> bytes:
        """Something like a text, but for a place or two; never the text itself."""
        data = bytearray(text.encode())
        while bytes(data).strip() == text.encode():
            for _ in range(self.random.randrange(1, 3)):
                place = self.random.randrange(len(data))
                match self.random.randrange(3):
                    case 0:
                        data[place] = self.random.choice(ALPHABET)
                    case 1:
                        del data[place]
                    case _:
                        data.insert(place, self.random.choice(ALPHABET))
        return bytes(data)


async def test_no_header_opens_anything(tmp_path: Path) -> None:
    seed = random.getrandbits(32)
    config = tmp_path / "preg.toml"
    # The token is to be good until the end, however long it takes.
    more = "[token]\nlifetime = 86400\n[log]\naccess = false\n"
    config.write_text(accounts.settings(tmp_path, "token") + more)
    with server_part.serving(tmp_path / "storage", config, by=BY) as server:
        real = token(server, "admin", "repository:team/app:pull,push,delete", "registry:catalog:*")
        statuses = Counter[int]()
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                forger = Forger(f"{seed} {number}", real, basic("admin")["Authorization"].partition(" ")[2])
                group.create_task(send_all(server, forger, statuses, f"seed {seed}, client {number}"))
        assert sum(statuses.values()) == REQUESTS
        assert set(statuses) <= {400, 401, 431}, statuses
        assert statuses[401] > REQUESTS * 0.8, statuses
        # What was altered was worth something.
        assert server.ask("GET", "/v2/_catalog", headers=accounts.bearer(real)).json() == {"repositories": []}
        assert not [line for line in server.process.stderr if "raceback" in line or real in line]
        assert delays(server.process.stderr) == []


async def send_all(server: Server, forger: Forger, statuses: "Counter[int]", label: str) -> None:
    host, _, port = server.address.rpartition(":")
    connection = Connection(host, int(port))
    try:
        for number in range(REQUESTS // CLIENTS):
            method, target = forger.random.choice(CLOSED)
            header = forger.header()
            request = Request(method, target, [("Host", b"127.0.0.1"), ("Authorization", header)])
            try:
                answer = await connection.exchange(request)
                judge(request, answer)
                assert answer.status in (400, 401, 431), answer
            except Exception as error:
                raise AssertionError(f"{label}, request {number}: {method} {target!r} {header[:SHOWN]!r}") from error
            statuses[answer.status] += 1
    finally:
        await connection.close()


def b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
