"""Every S3 call of a push fails in every way: the client is told to try again, and nothing broken is seen or lost."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from botocore.retries.standard import ExponentialBackoff

from registry.http.api import Api
from registry.http.server import HttpServer
from storage.drivers import s3_bucket
from storage.drivers.s3 import S3Driver
from storage.guard import Guard
from storage.local import LocalNamespace
from storage.oci import media
from storage.oci.digest import Digest
from tests.parts import fault_proxy
from tests.parts.fault_proxy import Call, Fault, FaultProxy, faulty
from tests.parts.process import PATIENCE
from tests.parts.seaweed import Seaweed, seaweed
from tests.registry.client import Client, describe, read_response

MIB = 1 << 20
PART = 5 * MIB
REPOSITORY = "faults/app"
BYTES = random.Random("layer").randbytes(PART)


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with seaweed() as server, faulty(server.endpoint) as running:
        yield running


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    """A client of a server whose bucket lies behind the proxy."""
    proxy.plan()
    store = Guard(S3Driver(Seaweed(proxy.endpoint).url(part_size=str(PART))))
    runner = web.ServerRunner(HttpServer(Api(LocalNamespace(store)), access_log=False), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield Client(runner.addresses[0][1], session)
    proxy.plan()
    await runner.cleanup()
    await store.aclose()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts are spread by chance and grow; here there are none."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)


@dataclass
class Push:
    """A push of an image: a blob in one request, one of several parts in three, the manifest under a tag."""

    seed: str
    acknowledged: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.config = self.seed.encode()
        self.layer = self.config + BYTES
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media.OCI_MANIFEST,
                "config": describe(self.config, media.OCI_CONFIG),
                "layers": [describe(self.layer)],
            }
        ).encode()
        self.digest = Digest.of(self.manifest)
        self.tag = f"tag-{self.digest.hex[:8]}"

        self.blobs = {Digest.of(content): content for content in (self.config, self.layer)}

    async def run(self, client: Client) -> bool:
        """Push as far as it goes; whether that was to the end. AssertionError for any other refusal than 503."""
        uploads = f"/v2/{REPOSITORY}/blobs/uploads/"
        config, layer = self.blobs
        if not await self._ask(client, "POST", f"{uploads}?digest={config}", self.config, config):
            return False
        location = await self._ask(client, "POST", uploads)
        location = location and await self._ask(client, "PATCH", location, self.layer[: PART + 5])
        if not location or not await self._ask(
            client, "PUT", f"{location}?digest={layer}", self.layer[PART + 5 :], layer
        ):
            return False
        path = f"/v2/{REPOSITORY}/manifests/{self.tag}"
        return bool(await self._ask(client, "PUT", path, self.manifest, self.digest))

    async def check(self, client: Client) -> None:
        """All that was acknowledged is there, and what is there is right."""
        for digest, content in self.blobs.items():
            await self._check(client, f"/v2/{REPOSITORY}/blobs/{digest}", content, digest)
        for reference in (self.digest, self.tag):
            await self._check(client, f"/v2/{REPOSITORY}/manifests/{reference}", self.manifest, self.digest)

    async def _check(self, client: Client, path: str, content: bytes, digest: Digest) -> None:
        answer = await client.ask("GET", path, headers={"Accept": media.OCI_MANIFEST})
        if answer.status == 404:
            assert digest not in self.acknowledged, path
        else:
            assert (answer.status, answer.body == content) == (200, True), path

    async def _ask(
        self, client: Client, method: str, path: str, body: bytes | None = None, digest: str = ""
    ) -> str | None:
        answer = await client.ask(method, path, body, {"Content-Type": media.OCI_MANIFEST} if "manif" in path else {})
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0
            return None
        assert answer.status in (201, 202), answer
        self.acknowledged.add(digest)
        return answer.headers["Location"]


async def count(client: Client, proxy: FaultProxy) -> int:
    """How many calls a push takes when all is well."""
    proxy.plan()
    assert await Push("all is well").run(client)
    return len(proxy.calls)


async def push_through(client: Client, proxy: FaultProxy, fault: Fault, which: range) -> bool:
    """Push while these calls fail, look at what is there, and push again; whether the first push came to its end."""
    push = Push(f"{fault.__name__} at {which}")
    proxy.plan(fault, which)
    done = await push.run(client)
    proxy.plan()
    await push.check(client)
    if not done:
        assert await push.run(client), push.seed
        await push.check(client)
    return done


@pytest.mark.parametrize("fault", ["delayed", "refused", "reset", "half_sent", "lost", "cut_in_the_head"])
@pytest.mark.parametrize("first", [1, 2, 3])
async def test_calls_that_fail_once_are_made_again(client: Client, proxy: FaultProxy, fault: str, first: int) -> None:
    assert await push_through(client, proxy, getattr(fault_proxy, fault), range(first, 1000, 3))


async def test_the_body_of_one_answer_is_cut(client: Client, proxy: FaultProxy) -> None:
    for number in range(1, await count(client, proxy) + 1):
        await push_through(client, proxy, fault_proxy.cut_in_the_body, range(number, number + 1))


async def test_calls_carried_out_twice_do_no_harm(client: Client, proxy: FaultProxy) -> None:
    for number in range(1, await count(client, proxy) + 1):
        assert await push_through(client, proxy, fault_proxy.carried_out_twice, range(number, number + 1)), number


@pytest.mark.parametrize(("fault", "step"), [("refused", 3), ("lost", 1)])
async def test_all_calls_fail_from_one_on(client: Client, proxy: FaultProxy, fault: str, step: int) -> None:
    for number in range(1, await count(client, proxy) + 1, step):
        await push_through(client, proxy, getattr(fault_proxy, fault), range(number, 1000))


async def test_a_call_that_hangs_is_given_up(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_bucket, "_READ_TIMEOUT", 0.05)
    store = Guard(S3Driver(Seaweed(proxy.endpoint).url()))
    proxy.plan(hanging)
    with pytest.raises(s3_bucket.StorageUnavailable, match="too long"):
        await store.put("k", b"")
    proxy.plan()
    await store.aclose()


def hanging(call: Call) -> None:
    """Nothing comes; the connection stays."""


async def test_a_chunk_sent_again_by_a_client_without_patience_is_there_once(proxy: FaultProxy, client: Client) -> None:
    """Whichever call the store takes so long for that the client goes away meanwhile."""
    chunk, number = BYTES[:100_000], 0
    while True:
        number += 1
        location = await client.open_upload(REPOSITORY)
        reached, gone = threading.Event(), threading.Event()

        def held_up(call: Call, reached: threading.Event = reached, gone: threading.Event = gone) -> None:
            reached.set()
            gone.wait(PATIENCE)
            call.answer(*call.forward())

        proxy.plan(held_up, range(number, number + 1))
        async with client.connection() as (reader, writer):
            writer.write(
                f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(chunk)}\r\n\r\n".encode() + chunk
            )
            answered = asyncio.ensure_future(read_response(reader))
            held = asyncio.ensure_future(asyncio.to_thread(reached.wait, PATIENCE))
            await asyncio.wait([answered, held], return_when=asyncio.FIRST_COMPLETED)
            answered.cancel()
        is_last = not reached.is_set()
        reached.set()
        await held
        await client.ask("GET", "/v2/")  # when this is answered the end has been seen as well
        gone.set()
        if is_last:
            break
        answer = await client.ask("PATCH", location, chunk)
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(chunk) - 1}"), number
        assert (await client.ask("PUT", f"{location}?digest={Digest.of(chunk)}", b"")).status == 201
    # The session is read, its bytes and the record of them are written.
    assert number > 3
