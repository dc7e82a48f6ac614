"""What is measured, and how: one client on the same machine, so processor time says more than rates do."""

import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.peers import Running, find
from tests.parts import images
from tests.parts.images import MANIFEST
from tests.parts.process import output

MIB = 1024 * 1024
SECONDS = 5
CONNECTIONS = 16


class Rate(NamedTuple):
    """How many requests a second, and how much processor time of the server each took."""

    per_second: float
    microseconds: float


class Transfer(NamedTuple):
    """How long a blob took, and how much of that the server was busy; in seconds."""

    wall: float
    cpu: float


class Big(NamedTuple):
    """A blob of random bytes."""

    path: Path
    digest: str

    @classmethod
    def make(cls, path: Path, mib: int) -> "Big":
        running = hashlib.sha256()
        with path.open("wb") as file:
            for _ in range(mib):
                piece = os.urandom(MIB)
                running.update(piece)
                file.write(piece)
        return cls(path, f"sha256:{running.hexdigest()}")


def manifests(server: Running, reference: str) -> Rate:
    """Ask for one manifest again and again, over connections that stay open."""
    image = images.data("benchmark", layers=1, size=1000)
    images.push(server.wire, "bench/mark", "tag", image)
    path = f"/v2/bench/mark/manifests/{image.digest if reference == 'digest' else 'tag'}"
    before, began = server.usage.cpu(), time.monotonic()
    count = _with_wrk(server, path) if find("wrk") else _without_wrk(server, path)
    wall, cpu = time.monotonic() - began, server.usage.cpu() - before
    return Rate(count / wall, cpu / count * 1e6)


def upload(server: Running, big: Big) -> Transfer:
    """POST, PATCH and PUT, as docker does."""
    with _timed(server) as timed:
        location = server.wire.ask("POST", "/v2/bench/mark/blobs/uploads/").headers["Location"]
        with _connection(server) as client:
            client.sendall(_head("PATCH", location.removeprefix(server.wire.url), big.path.stat().st_size))
            with big.path.open("rb") as file:
                client.sendfile(file)
            head = client.recv(65536).decode()
        location = _found(r"(?im)^location: (?:http://[^/]+)?(\S+)", head)
        mark = "&" if "?" in location else "?"
        done = server.wire.ask("PUT", f"{location}{mark}digest={big.digest}", b"")
        assert done.status == 201, done
    return timed[0]


def download(server: Running, big: Big) -> Transfer:
    """GET, and throw the bytes away."""
    left, buffer = big.path.stat().st_size, bytearray(MIB)
    with _timed(server) as timed, _connection(server) as client:
        client.sendall(_head("GET", f"/v2/bench/mark/blobs/{big.digest}", 0))
        head, _, rest = client.recv(65536).partition(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0], head
        left -= len(rest)
        while left > 0:
            count = client.recv_into(buffer)
            assert count, "the download ended early"
            left -= count
    return timed[0]


@contextmanager
def _timed(server: Running) -> Iterator[list[Transfer]]:
    result: list[Transfer] = []
    cpu, wall = server.usage.cpu(), time.monotonic()
    yield result
    result.append(Transfer(time.monotonic() - wall, server.usage.cpu() - cpu))


@contextmanager
def _connection(server: Running) -> Iterator[socket.socket]:
    host, _, port = server.wire.address.rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        yield client


def _head(method: str, path: str, length: int) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: registry", f"Accept: {MANIFEST}", f"Content-Length: {length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1]


def _with_wrk(server: Running, path: str) -> int:
    said = output(
        find("wrk") or "",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS}",
        "-H",
        f"Accept: {MANIFEST}",
        server.wire.url + path,
    )
    assert "Non-2xx" not in said, said
    return int(_found(r"(\d+) requests in", said))


def _without_wrk(server: Running, path: str) -> int:
    """The same in Python; slower than what it measures, so only the processor time is worth a look."""
    request, limit = _head("GET", path, 0), time.monotonic() + SECONDS

    def ask(_: int) -> int:
        count = 0
        with _connection(server) as client:
            while time.monotonic() < limit:
                client.sendall(request)
                assert b" 200 " in client.recv(65536)[:20]
                count += 1
        return count

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return sum(pool.map(ask, range(CONNECTIONS)))
