"""Several clients, and several servers over one folder, at the same moment."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from tests.faults.large import open_session
from tests.faults.store import Store, own_files
from tests.parts import images
from tests.parts import server as server_part
from tests.parts.images import MANIFEST
from tests.parts.server import Server
from tests.parts.wire import sha256

T = TypeVar("T")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two servers over one folder."""
    with server_part.serving(tmp_path) as one, server_part.serving(tmp_path) as other:
        yield one, other


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """Call `work` with each number below `count`, all at the same moment."""
    barrier = threading.Barrier(count)

    def wait_and_work(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_work, range(count)))


@pytest.mark.parametrize("pushers", [2, 20])
def test_pushers_of_one_blob_all_succeed(servers: tuple[Server, Server], pushers: int) -> None:
    content = bytes(range(256)) * 4096
    for round_number in range(5):
        blob = content + bytes([round_number])
        assert set(at_once(pushers, lambda n, blob=blob: servers[n % 2].push_blob("same", blob))) == {sha256(blob)}
        assert servers[0].blob("same", sha256(blob)) == servers[1].blob("same", sha256(blob)) == blob
    Store(servers[0].storage).check()
    assert own_files(servers[0].storage) == []


@pytest.mark.parametrize("pushers", [2, 20])
def test_pushers_of_one_tag_all_succeed_and_one_of_them_is_the_last(
    servers: tuple[Server, Server], pushers: int
) -> None:
    pushed = [images.data(f"pusher {n}", layers=1, size=1000) for n in range(pushers)]
    at_once(pushers, lambda n: images.push(servers[n % 2], "same", "latest", pushed[n]))
    tagged = servers[0].stored("same", "latest")
    assert tagged == servers[1].stored("same", "latest")
    assert tagged.digest in {image.digest for image in pushed}
    for image in pushed:
        assert servers[0].stored("same", image.digest).manifest == image.manifest
    Store(servers[0].storage).check()


def test_a_tag_that_is_moved_is_never_seen_missing_or_torn(servers: tuple[Server, Server]) -> None:
    pushed = [images.data(f"move {n}", layers=1, size=1000) for n in range(2)]
    for image in pushed:
        images.push(servers[0], "moved", "latest", image)

    def work(number: int) -> None:
        for turn in range(50):
            if number < 2:
                servers[number].push_manifest("moved", "latest", pushed[turn % 2].manifest, MANIFEST)
            else:
                seen = servers[number % 2].stored("moved", "latest")
                assert seen.manifest in (pushed[0].manifest, pushed[1].manifest)
                assert servers[number % 2].tags("moved") == ["latest"]

    at_once(4, work)


def test_push_and_delete_of_one_manifest_leave_it_whole_or_gone(servers: tuple[Server, Server]) -> None:
    image = images.data("contested", layers=1, size=1000)
    images.push(servers[0], "contested", "1", image)

    def work(number: int) -> None:
        for _ in range(50):
            if number % 2:
                answer = servers[number // 2].ask("DELETE", f"/v2/contested/manifests/{image.digest}")
                assert answer.status in (202, 404), answer
            else:
                servers[number // 2].push_manifest("contested", "1", image.manifest, MANIFEST)

    at_once(4, work)
    # A tag that was set after the manifest had gone answers 404, and the next push mends it.
    assert servers[0].status("contested", "1") in (200, 404)
    images.push(servers[1], "contested", "1", image)
    assert servers[0].stored("contested", "1").manifest == image.manifest
    Store(servers[0].storage).check()


def test_a_session_is_written_to_by_one_request_at_a_time(servers: tuple[Server, Server]) -> None:
    location = open_session(servers[0], "session")
    chunk = b"x" * 200_000

    def patch(number: int) -> int:
        headers = {"Content-Range": f"0-{len(chunk) - 1}"}
        return servers[number % 2].ask("PATCH", location, chunk, headers).status

    statuses = at_once(10, patch)
    assert statuses.count(202) == 1, statuses
    # The others came at the same time, or too late.
    assert set(statuses) <= {202, 416, 503}, statuses
    assert servers[1].ask("PUT", f"{location}?digest={sha256(chunk)}").status == 201
    assert servers[0].blob("session", sha256(chunk)) == chunk


def test_a_session_is_finished_once(servers: tuple[Server, Server]) -> None:
    location = open_session(servers[0], "finish")
    assert servers[0].ask("PATCH", location, b"content").status == 202
    path = f"{location}?digest={sha256(b'content')}"
    statuses = at_once(10, lambda n: servers[n % 2].ask("PUT", path).status)
    assert statuses.count(201) == 1, statuses
    assert set(statuses) <= {201, 404, 503}, statuses
    assert servers[0].blob("finish", sha256(b"content")) == b"content"
    assert own_files(servers[0].storage) == []


def test_an_upload_goes_on_at_another_server(servers: tuple[Server, Server]) -> None:
    one, other = servers
    content = bytes(range(256)) * 10_000
    location = open_session(one, "two")
    assert other.ask("PATCH", location, content[:1_000_001]).status == 202
    assert one.ask("GET", location).headers["Range"] == "0-1000000"
    assert one.ask("PATCH", location, content[1_000_001:2_000_000]).status == 202
    digest = sha256(content)
    assert other.ask("PUT", f"{location}?digest={digest}", content[2_000_000:]).status == 201
    assert one.blob("two", digest) == content
    assert one.ask("GET", location).status == other.ask("GET", location).status == 404


def test_an_upload_survives_kill_9_between_its_chunks(tmp_path: Path) -> None:
    content, step = bytes(range(256)) * 10_000, 700_000
    server = server_part.start(tmp_path)
    try:
        location = open_session(server, "killed")
        for start in range(0, len(content), step):
            chunk = content[start : start + step]
            place = {"Content-Range": f"{start}-{start + len(chunk) - 1}"}
            assert server.ask("PATCH", location, chunk, place).status == 202
            server.process.kill()
            server = server_part.start(tmp_path)
            assert server.ask("GET", location).headers["Range"] == f"0-{start + len(chunk) - 1}"
        digest = sha256(content)
        assert server.ask("PUT", f"{location}?digest={digest}").status == 201
        assert server.blob("killed", digest) == content
        assert server.process.stop() == 0
    finally:
        server.process.kill()
