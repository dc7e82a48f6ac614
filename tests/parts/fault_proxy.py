"""A proxy before an HTTP server that does to chosen calls what networks and overloaded stores do.

Requests and answers pass through unchanged, byte for byte, as S3 clients sign what they send.
"""

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import urlsplit

from tests.parts.process import PATIENCE

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ERROR = b"<Error><Code>InternalError</Code><Message>try again</Message></Error>"


class Call:
    """A request that has come whole, and the connection that waits for its answer."""

    def __init__(self, proxy: "FaultProxy", connection: socket.socket, head: bytes, body: bytes) -> None:
        self._proxy = proxy
        self._connection = connection
        self.head = head
        self.body = body

    def forward(self) -> tuple[bytes, bytes]:
        """Have the server carry it out; head and body of the answer."""
        with socket.create_connection(self._proxy.target) as server, server.makefile("rb") as answers:
            server.sendall(self.head + self.body)
            head = _CONTINUE
            while head == _CONTINUE:
                head = _read_head(answers)
            return head, b"" if self.head.startswith(b"HEAD ") else _read_body(answers, head)

    def forward_half(self) -> None:
        """Send the server half of the request, and reset the connection."""
        with socket.create_connection(self._proxy.target) as server:
            server.sendall(self.head + self.body[: len(self.body) // 2])
            _reset(server)

    def answer(self, *pieces: bytes) -> None:
        self._connection.sendall(b"".join(pieces))

    def hang_up(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Leave the connection, too: it is not closed before nobody reads from it any more."""
        _reset(self._connection)
        raise ConnectionResetError


Fault = Callable[[Call], None]


def delayed(call: Call) -> None:
    """The answer takes its time."""
    time.sleep(0.05)
    call.answer(*call.forward())


def refused(call: Call) -> None:
    """The server says 500, and has done nothing."""
    call.answer(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: %d\r\n\r\n" % len(_ERROR))
    call.answer(b"" if call.head.startswith(b"HEAD ") else _ERROR)


def reset(call: Call) -> None:
    """The connection breaks before the server has heard anything."""
    call.reset()


def half_sent(call: Call) -> None:
    """The connection breaks while the request is on its way to the server."""
    call.forward_half()
    call.reset()


def lost(call: Call) -> None:
    """The server has done it, and its answer never comes."""
    call.forward()
    call.reset()


def cut_in_the_head(call: Call) -> None:
    """The server has done it, and the connection ends in the middle of the answer's head."""
    head, _ = call.forward()
    call.answer(head[: len(head) * 2 // 3])
    call.hang_up()


def cut_in_the_body(call: Call) -> None:
    """The server has done it, and the connection ends in the middle of the answer's body; before, if there is none."""
    head, body = call.forward()
    if body:
        call.answer(head, body[: len(body) // 2])
    call.hang_up()


def carried_out_twice(call: Call) -> None:
    """The server does it twice, and the second answer comes."""
    call.forward()
    call.answer(*call.forward())


@dataclass
class FaultProxy:
    """A running proxy; `calls` are the first lines of the requests since the last `plan`."""

    target: tuple[str, int]
    endpoint: str = ""
    calls: list[str] = field(default_factory=list)
    _fault: Fault | None = None
    _faulty: range = range(0)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def plan(self, fault: Fault | None = None, which: range = range(1, 1 << 30)) -> None:
        """Count from 1 again, and let this happen to these calls; without a fault, to none."""
        with self._changed:
            self.calls.clear()
            self._fault, self._faulty = fault, which

    def wait_for(self, text: str) -> None:
        """Wait until a call whose first line has this text came."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(text in line for line in self.calls), PATIENCE), self.calls

    def take(self, call: Call) -> None:
        with self._changed:
            self.calls.append(call.head.partition(b"\r\n")[0].decode())
            self._changed.notify_all()
            fault = self._fault if len(self.calls) in self._faulty else None
        if fault:
            fault(call)
        else:
            call.answer(*call.forward())


@contextlib.contextmanager
def faulty(endpoint: str) -> Iterator[FaultProxy]:
    """A proxy before a server, for the length of a `with`."""
    parts = urlsplit(endpoint)
    assert parts.hostname
    assert parts.port
    proxy = FaultProxy((parts.hostname, parts.port))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):  # one end went away, or a fault broke the connection
                while head := _read_head(self.rfile):
                    if b"100-continue" in head.lower():
                        self.connection.sendall(_CONTINUE)
                    proxy.take(Call(proxy, self.connection, head, _read_body(self.rfile, head)))

    with _Server(("127.0.0.1", 0), Handler) as server:
        proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def _read_head(stream: BinaryIO) -> bytes:
    """The lines up to an empty one; nothing where the other side has ended."""
    lines = []
    while line := stream.readline():
        lines.append(line)
        if line == b"\r\n":
            break
    return b"".join(lines)


def _read_body(stream: BinaryIO, head: bytes) -> bytes:
    """What follows a head, as it is on the wire."""
    fields = [line.partition(b":") for line in head.lower().split(b"\r\n")[1:]]
    headers = {name: value.strip() for name, _, value in fields}
    if headers.get(b"transfer-encoding") != b"chunked":
        return stream.read(int(headers.get(b"content-length", 0)))
    pieces = []
    while True:
        size = stream.readline()
        pieces += [size, stream.read(int(size, 16) + 2)]
        if int(size, 16) == 0:
            return b"".join(pieces)


def _reset(connection: socket.socket) -> None:
    """End a connection as a crash does: what was sent may be lost, and the other side is told of an error."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
