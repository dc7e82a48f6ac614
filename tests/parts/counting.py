"""A TCP proxy that counts what a server sends."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.parts.tunnel import accepting, carry, connect


class Counter:
    """Stands before a server at HOST:PORT; `received` is how many bytes came from there."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._lock = threading.Lock()
        self.received = 0
        self.address = ""

    def carry(self, client: socket.socket) -> None:
        """Connect a client to the server until both have closed."""
        with connect(self._server) as target:
            carry(client, target, received=self._count)

    def _count(self, length: int) -> None:
        with self._lock:
            self.received += length


@contextlib.contextmanager
def counting(server: str) -> Iterator[Counter]:
    """A counter before HOST:PORT, for the length of a `with`."""
    counter = Counter(server)
    with accepting(counter.carry) as counter.address:
        yield counter
