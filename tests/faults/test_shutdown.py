"""SIGTERM: what runs may finish, nothing new begins, and a second signal ends it all."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.faults.large import MIB, Talk, Zeros, open_session, upload
from tests.faults.store import Store
from tests.parts import server as server_part
from tests.parts.server import Server


@pytest.fixture
def zeros(tmp_path: Path) -> Zeros:
    return Zeros.make(tmp_path / "zeros", 64)


def terminate(server: Server) -> None:
    """Send SIGTERM, and wait until nobody is let in any more."""
    os.kill(server.process.pid, signal.SIGTERM)
    host, _, port = server.address.rpartition(":")
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            return
    raise AssertionError("the server goes on accepting connections after SIGTERM")


def test_a_running_upload_and_a_running_download_are_finished(tmp_path: Path, zeros: Zeros) -> None:
    server = server_part.start(tmp_path / "storage")
    assert upload(server, "a", zeros).status == 201
    location = open_session(server, "b")
    up, down, idle = Talk(server), Talk(server, receive_buffer=4096), Talk(server)
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
    for talk in (up, down, idle):
        talk.close()
    assert server.process.wait() == 0
    assert not [line for line in server.process.stderr if '"traceback"' in line]
    with server_part.serving(tmp_path / "storage") as server:
        assert server.blob("b", zeros.digest) == bytes(zeros.size)


def test_a_second_signal_ends_a_transfer_that_would_never_end(tmp_path: Path, zeros: Zeros) -> None:
    server = server_part.start(tmp_path / "storage")
    location = open_session(server, "a")
    up = Talk(server)
    up.begin("PATCH", location, Content_Length=zeros.size, Content_Range=f"0-{zeros.size - 1}")
    up.send(zeros, 0, MIB)
    terminate(server)
    # This is the second.
    assert server.process.stop() == 0
    up.close()
    assert not [line for line in server.process.stderr if '"traceback"' in line]
    Store(tmp_path / "storage").check()
    with server_part.serving(tmp_path / "storage") as server:
        assert server.ask("GET", location).status == 204
