"""A TCP proxy that counts what a server sends."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

from tests.parts.tunnel import relay


class Counter:
    """Stands before a server at HOST:PORT; `received` is how many bytes came from there."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._lock = threading.Lock()
        self.received = 0
        self.address = ""

    def carry(self, client: socket.socket) -> None:
        """Connect a client to the server until both have closed."""
        host, _, port = self._server.rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            back = threading.Thread(target=relay, args=(target, client, self._count))
            back.start()
            relay(client, target)
            back.join()

    def _count(self, length: int) -> None:
        with self._lock:
            self.received += length


@contextlib.contextmanager
def counting(server: str) -> Iterator[Counter]:
    """A counter before HOST:PORT, for the length of a `with`."""
    own = Counter(server)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            own.carry(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        own.address = f"127.0.0.1:{proxy.server_address[1]}"
        try:
            yield own
        finally:
            proxy.shutdown()
            thread.join()
