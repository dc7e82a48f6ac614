"""kill -9 after each single S3 call of a push: the store stays readable, and the next push works."""

import http.client
import os
import random
import signal
from collections.abc import Iterator

import pytest

from tests.faults.pushing import Acknowledged
from tests.parts import server as server_part
from tests.parts.fault_proxy import Call, FaultProxy, faulty
from tests.parts.images import MANIFEST, File, Image, layer
from tests.parts.seaweed import Seaweed, seaweed
from tests.parts.server import Server

PART = 5 << 20
REPOSITORY = "killed/app"
BYTES = random.Random("layer").randbytes(PART)


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with seaweed() as server, faulty(server.endpoint) as running:
        yield running


def test_a_server_killed_after_each_call_of_a_push(proxy: FaultProxy) -> None:
    url = Seaweed(proxy.endpoint).url(part_size=str(PART))
    server = start(proxy, url)
    number, killed = 0, True
    try:
        while killed:
            number += 1
            image = Image((layer({"data": File(b"%d" % number + BYTES)}),), {})
            acknowledged = Acknowledged()
            killed = push_until_killed(proxy, server, image, number, acknowledged)
            if killed:
                server.process.kill()
                server = start(proxy, url)
            check(server, image, f"tag-{number}", acknowledged)
            push(server, image, f"tag-{number}", acknowledged)
            acknowledged.check(server)
        assert len(server.tags(REPOSITORY)) == number
        # Fewer calls cannot do it: if the kills came to nothing, nothing was tried.
        assert number > 20
    finally:
        server.process.kill()


def start(proxy: FaultProxy, url: str) -> Server:
    """A server that has made the calls it makes by itself."""
    proxy.plan()
    server = server_part.start(url)
    proxy.wait_for("?uploads")
    return server


def push_until_killed(proxy: FaultProxy, server: Server, image: Image, number: int, acknowledged: Acknowledged) -> bool:
    """Push to a server that is killed when the bucket has carried out a call; False if there were not so many."""

    def kill(call: Call) -> None:
        call.forward()
        os.kill(server.process.pid, signal.SIGKILL)

    proxy.plan(kill, range(number, number + 1))
    try:
        push(server, image, f"tag-{number}", acknowledged)
    except (OSError, http.client.HTTPException):
        return True
    finally:
        proxy.plan()
    return False


def push(server: Server, image: Image, tag: str, acknowledged: Acknowledged) -> None:
    """Push each blob in three requests, then the manifest."""
    for digest, content in image.blobs.items():
        opened = server.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
        assert opened.status == 202, opened
        session = opened.headers["Location"].removeprefix(server.url)
        kept = server.ask("PATCH", session, content[:-5])
        assert kept.status == 202, kept
        done = server.ask("PUT", f"{session}?digest={digest}", content[-5:])
        assert done.status == 201, done
        acknowledged.blobs[REPOSITORY, digest] = content
    acknowledged.attempts[REPOSITORY, tag].add(image.digest)
    server.push_manifest(REPOSITORY, tag, image.manifest, MANIFEST)
    acknowledged.manifests[REPOSITORY, image.digest] = image.manifest
    acknowledged.tags.add((REPOSITORY, tag))


def check(server: Server, image: Image, tag: str, acknowledged: Acknowledged) -> None:
    """All that was acknowledged is there, and what is there is whole."""
    acknowledged.check(server)
    for digest, content in image.blobs.items():
        answer = server.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest}")
        assert answer.status == 404 or (answer.status, answer.body == content) == (200, True)
    if tag in server.tags(REPOSITORY):
        assert server.stored(REPOSITORY, tag).digest == image.digest
