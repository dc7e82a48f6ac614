"""An HTTP proxy that leads every CONNECT to loopback.

Docker verifies no certificate of a registry on loopback. It does verify one that it reaches by a
name, and a proxy resolves names for it.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator


def relay(source: socket.socket, target: socket.socket, allow: Callable[[int], None] = lambda _: None) -> None:
    """Pass bytes on until one side closes, then tell the other; `allow` is asked before each piece, by its length."""
    with contextlib.suppress(OSError):  # an end that hangs up in the middle ends the tunnel
        while piece := source.recv(1 << 16):
            allow(len(piece))
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def carry(
    client: socket.socket,
    target: socket.socket,
    sent: Callable[[int], None] = lambda _: None,
    received: Callable[[int], None] = lambda _: None,
) -> None:
    """Relay both ways until both sides have closed."""
    back = threading.Thread(target=relay, args=(target, client, received))
    back.start()
    relay(client, target, sent)
    back.join()


def connect(server: str) -> socket.socket:
    """A connection to HOST:PORT."""
    host, _, port = server.rpartition(":")
    return socket.create_connection((host, int(port)))


@contextlib.contextmanager
def accepting(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """The HOST:PORT where each connection is handled in a thread of its own, for the length of a `with`."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            handle(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _tunnel(client: socket.socket) -> None:
    with client.makefile("rb", buffering=0) as head:
        port = int(head.readline().split()[1].rpartition(b":")[2])
        while head.readline().strip():
            pass
    with connect(f"127.0.0.1:{port}") as target:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        carry(client, target)


@contextlib.contextmanager
def tunnelling() -> Iterator[str]:
    """The URL of a running proxy, for the length of a `with`."""
    with accepting(_tunnel) as address:
        yield f"http://{address}"
