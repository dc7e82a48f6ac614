"""Bodies larger than memory ought to hold: sent from a file with a hole for its content, and read to nowhere."""

import hashlib
import os
import socket
from pathlib import Path
from typing import NamedTuple

from tests.parts.process import PATIENCE
from tests.parts.server import Server
from tests.parts.wire import Answer

MIB = 1024 * 1024
ZEROS = bytes(MIB)


class Zeros(NamedTuple):
    """A blob of zeros; `size` is in bytes, a multiple of one MiB."""

    path: Path
    size: int
    digest: str

    @classmethod
    def make(cls, path: Path, mib: int) -> "Zeros":
        running = hashlib.sha256()
        for _ in range(mib):
            running.update(ZEROS)
        path.touch()
        os.truncate(path, mib * MIB)
        return cls(path, mib * MIB, f"sha256:{running.hexdigest()}")


class Talk:
    """One connection, to which a body is given, and from which one is taken, piece by piece."""

    def __init__(self, server: Server, *, receive_buffer: int = 0) -> None:
        host, _, port = server.address.rpartition(":")
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((host, int(port)))
        self._file = self.socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def begin(self, method: str, path: str, **headers: object) -> None:
        """Send a request's head; keywords are its headers, with underscores for hyphens."""
        lines = [f"{method} {path} HTTP/1.1", "Host: registry"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")

    def send(self, zeros: Zeros, start: int, stop: int) -> None:
        with zeros.path.open("rb") as file:
            self.socket.sendfile(file, start, stop - start)

    def head(self) -> Answer:
        """Read a response's head."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while (line := self._file.readline().decode().rstrip("\r\n")) != "":
            name, _, value = line.partition(": ")
            headers[name] = value
        return Answer(status, headers, b"")

    def answer(self) -> Answer:
        """Read a whole response, which is small."""
        head = self.head()
        return Answer(head.status, head.headers, self._file.read(int(head.headers.get("Content-Length", 0))))

    def count_zeros(self, count: int) -> int:
        """Read so many bytes, which must be zeros, or as many as come; how many came."""
        left = count
        while left:
            piece = self._file.read(min(left, MIB))
            if not piece:
                break
            assert piece == ZEROS[: len(piece)]
            left -= len(piece)
        return count - left


def upload(server: Server, repository: str, zeros: Zeros) -> Answer:
    """Push a blob of zeros with one POST and one PUT; the last answer."""
    location = open_session(server, repository)
    talk = Talk(server)
    try:
        talk.begin("PUT", f"{location}?digest={zeros.digest}", Content_Length=zeros.size)
        talk.send(zeros, 0, zeros.size)
        return talk.answer()
    finally:
        talk.close()


def open_session(server: Server, repository: str) -> str:
    """Begin an upload; its Location."""
    opened = server.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert opened.status == 202, opened
    return opened.headers["Location"]
