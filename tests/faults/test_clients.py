"""Clients that hang up, stall or trickle: they lose what is theirs and hurt nobody else."""

import os
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.faults.large import MIB, Talk, Zeros, open_session, upload
from tests.faults.store import own_files
from tests.parts.process import PATIENCE
from tests.parts.server import Server, serving
from tests.parts.wire import sha256

CROWD = 100

Talks = Callable[..., Talk]


@pytest.fixture
def zeros(tmp_path: Path) -> Zeros:
    return Zeros.make(tmp_path / "zeros", 32)


@pytest.fixture
def talks(server: Server) -> Iterator[Talks]:
    """Opens connections, which are closed after the test where it has not come to that."""
    with ExitStack() as opened:

        def open_one(**options: int) -> Talk:
            talk = Talk(server, **options)
            opened.callback(talk.close)
            return talk

        yield open_one


def open_files(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


@pytest.fixture(scope="module")
def idle(server: Server) -> int:
    """How many files the server has open while it has no client: it has had none yet."""
    return open_files(server)


def wait_until_closed(server: Server, idle: int) -> None:
    """Wait until the server has noticed that its clients are gone."""
    limit = time.monotonic() + PATIENCE
    while open_files(server) > idle:
        assert time.monotonic() < limit, "the server keeps what belonged to clients that are gone"
        time.sleep(0.02)


def faults(server: Server) -> list[str]:
    """What the server took for an error of its own."""
    return [line for line in server.process.stderr if '"level":"error"' in line]


def reset(talk: Talk) -> None:
    """Hang up as a crashed client's kernel does."""
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.close()


@pytest.mark.parametrize(
    ("method", "place", "kept"),
    [
        pytest.param("PATCH", {"Content_Range": f"3-{3 + 8 * MIB - 1}"}, None, id="a chunk with its place"),
        pytest.param("PATCH", {}, 3, id="a chunk"),
        pytest.param("PUT", {}, 3, id="the last chunk"),
        pytest.param("PUT", {"Content_Range": f"3-{3 + 8 * MIB - 1}"}, 3, id="the last chunk with its place"),
    ],
)
def test_an_upload_that_is_cut_can_be_resumed(  # noqa: PLR0917 # five fixtures and a row of the table
    server: Server,
    idle: int,
    talks: Talks,
    repository: str,
    zeros: Zeros,
    method: str,
    place: dict[str, str],
    kept: int | None,
) -> None:
    location = open_session(server, repository)
    assert server.ask("PATCH", location, b"abc").status == 202
    content = b"abc" + bytes(8 * MIB)
    query = f"?digest={sha256(content)}" if method == "PUT" else ""
    talk = talks()
    talk.begin(method, location + query, Content_Length=8 * MIB, **place)
    talk.send(zeros, 0, 5 * MIB)
    (reset if place else Talk.close)(talk)
    wait_until_closed(server, idle)

    said = server.ask("GET", location)
    assert said.status == 204
    held = int(said.headers["Range"].removeprefix("0-")) + 1
    assert held == kept or (kept is None and 3 <= held <= 3 + 5 * MIB)
    rest = server.ask("PATCH", location, content[held:], {"Content-Range": f"{held}-{len(content) - 1}"})
    assert rest.status == 202, rest
    assert server.ask("PUT", f"{location}?digest={sha256(content)}").status == 201
    assert server.blob(repository, sha256(content)) == content
    assert not faults(server)


def test_a_whole_upload_that_is_cut_leaves_nothing(
    server: Server, idle: int, talks: Talks, repository: str, zeros: Zeros
) -> None:
    before = own_files(server.storage)
    talk = talks()
    talk.begin("POST", f"/v2/{repository}/blobs/uploads/?digest={zeros.digest}", Content_Length=zeros.size)
    talk.send(zeros, 0, zeros.size - 1)
    talk.close()
    wait_until_closed(server, idle)
    assert own_files(server.storage) == before
    assert server.ask("HEAD", f"/v2/{repository}/blobs/{zeros.digest}").status == 404
    assert not faults(server)


def test_clients_that_stop_reading_hold_up_nobody(
    server: Server, idle: int, talks: Talks, repository: str, zeros: Zeros
) -> None:
    assert upload(server, repository, zeros).status == 201
    crowd = [talks(receive_buffer=4096) for _ in range(CROWD)]
    for number, talk in enumerate(crowd):
        talk.begin("GET", f"/v2/{repository}/blobs/{zeros.digest}")
        if number % 2:
            # Half of them look at the first piece before they fall asleep.
            assert talk.head().status == 200
    assert server.blob(repository, zeros.digest) == bytes(zeros.size)
    server.blob(repository, server.push_blob(repository, b"somebody else"))
    # Who wakes up gets everything.
    assert crowd[1].count_zeros(zeros.size) == zeros.size
    for number, talk in enumerate(crowd):
        (reset if number % 4 < 2 else Talk.close)(talk)
    wait_until_closed(server, idle)
    assert not faults(server)


def test_clients_that_hang_up_at_once_are_no_fault_of_ours(
    server: Server, idle: int, talks: Talks, repository: str, zeros: Zeros
) -> None:
    assert upload(server, repository, zeros).status == 201
    for number in range(3 * CROWD):
        talk = talks()
        talk.begin("GET", f"/v2/{repository}/blobs/{zeros.digest}")
        (reset if number % 2 else Talk.close)(talk)
    wait_until_closed(server, idle)
    assert not faults(server)


def test_clients_that_trickle_hold_up_nobody(
    server: Server, idle: int, talks: Talks, repository: str, zeros: Zeros
) -> None:
    content = b"slowly does it"
    crowd = [talks() for _ in range(CROWD)]
    for talk in crowd:
        path = f"/v2/{repository}/blobs/uploads/?digest={sha256(content)}"
        talk.begin("POST", path, Content_Length=len(content))
    for byte in content:
        for talk in crowd:
            talk.socket.sendall(bytes([byte]))
        assert server.ask("GET", "/v2/").status == 200
    for talk in crowd:
        assert talk.answer().status == 201
        talk.close()
    assert server.blob(repository, sha256(content)) == content
    wait_until_closed(server, idle)


def test_a_request_that_never_ends_holds_up_nobody(server: Server, idle: int, talks: Talks, repository: str) -> None:
    crowd = [talks() for _ in range(CROWD)]
    for number, talk in enumerate(crowd):
        talk.socket.sendall(b"PUT /v2/a/manifests/b HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"[: 1 + number % 55])
    server.blob(repository, server.push_blob(repository, b"somebody else"))
    for talk in crowd:
        talk.close()
    wait_until_closed(server, idle)
    assert not faults(server)


def test_a_server_out_of_file_descriptors_says_try_again(tmp_path: Path, repository: str) -> None:
    with serving(tmp_path) as server, closing(Talk(server)) as talk:
        take_descriptors_away(server, talk, repository)


def take_descriptors_away(server: Server, talk: Talk, repository: str) -> None:
    content = b"small"
    digest = server.push_blob(repository, content)
    talk.begin("GET", "/v2/")
    assert talk.answer().status == 200
    paths = {
        "GET": (f"/v2/{repository}/blobs/{digest}", f"/v2/{repository}/tags/list", "/v2/_catalog"),
        "POST": (f"/v2/{repository}/blobs/uploads/",),
        "DELETE": (f"/v2/{repository}/blobs/{digest}",),
    }
    pid, kind = server.process.pid, resource.RLIMIT_NOFILE
    _, hard = resource.prlimit(pid, kind)
    # A new descriptor's number must be below the limit, and the standard streams have those.
    soft, _ = resource.prlimit(pid, kind, (3, hard))
    for method, each in paths.items():
        for path in each:
            talk.begin(method, path, Content_Length=0)
            answer = talk.answer()
            assert answer.status == 503, answer
            assert answer.headers["Retry-After"]
    resource.prlimit(pid, kind, (soft, hard))
    assert server.blob(repository, digest) == content
    assert "Traceback" not in "\n".join(server.process.stderr)
