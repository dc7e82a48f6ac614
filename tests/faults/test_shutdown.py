"""SIGTERM: what runs may finish, nothing new begins, and a second signal ends it all."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.large import MIB, Talk, Zeros, open_session, upload
from tests.faults.store import Store
from tests.parts import server as server_part
from tests.parts.process import PATIENCE
from tests.parts.server import Server


@pytest.fixture
def zeros(tmp_path: Path) -> Zeros:
    return Zeros.make(tmp_path / "zeros", 64)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test ends; one that a failed test has left is killed."""
    server = server_part.start(tmp_path / "storage")
    yield server
    server.process.kill()


def terminate(server: Server) -> None:
    """Send SIGTERM, and wait until nobody is let in any more."""
    os.kill(server.process.pid, signal.SIGTERM)
    host, _, port = server.address.rpartition(":")
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            # It was in the queue of the listening socket while that was closed: the next one tells.
            continue
    raise AssertionError("the server goes on accepting connections after SIGTERM")


def test_a_running_upload_and_a_running_download_are_finished(server: Server, zeros: Zeros) -> None:
    assert upload(server, "a", zeros).status == 201
    location = open_session(server, "b")
    with (
        closing(Talk(server)) as up,
        closing(Talk(server, receive_buffer=4096)) as down,
        closing(Talk(server)) as idle,
    ):
        up.begin("PUT", f"{location}?digest={zeros.digest}", Content_Length=zeros.size)
        up.send(zeros, 0, zeros.size // 2)
        down.begin("GET", f"/v2/a/blobs/{zeros.digest}")
        assert down.head().status == 200
        assert down.count_zeros(MIB) == MIB
        idle.begin("GET", "/v2/")
        assert idle.answer().status == 200

        terminate(server)
        # An idle connection is closed at once, and keeps nobody waiting.
        assert idle.socket.recv(1) == b""
        up.send(zeros, zeros.size // 2, zeros.size)
        assert up.answer().status == 201
        assert down.count_zeros(zeros.size - MIB) == zeros.size - MIB
    assert server.process.wait() == 0
    assert not [line for line in server.process.stderr if '"traceback"' in line]
    with server_part.serving(server.storage) as again:
        assert again.blob("b", zeros.digest) == bytes(zeros.size)


def test_a_second_signal_ends_a_transfer_that_would_never_end(server: Server, zeros: Zeros) -> None:
    location = open_session(server, "a")
    with closing(Talk(server)) as up:
        up.begin("PATCH", location, Content_Length=zeros.size, Content_Range=f"0-{zeros.size - 1}")
        up.send(zeros, 0, MIB)
        terminate(server)
        # This is the second.
        assert server.process.stop() == 0
    assert not [line for line in server.process.stderr if '"traceback"' in line]
    Store(server.storage).check()
    with server_part.serving(server.storage) as again:
        assert again.ask("GET", location).status == 204
