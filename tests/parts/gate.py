"""A TCP proxy that stops in the middle of what it carries, until it is told to go on."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.parts.process import PATIENCE
from tests.parts.tunnel import accepting, carry, connect


class Gate:
    """Stands before a server, and lets `count` bytes pass to it before it closes."""

    def __init__(self, server: str, count: int) -> None:
        self._server = server
        self._left = count
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._opened = threading.Event()
        self.address = ""

    def wait_until_closed(self) -> None:
        """Wait for the first byte that may not pass."""
        assert self._closed.wait(PATIENCE), "so many bytes never came"

    def open(self) -> None:
        """Let pass what waits, and all that comes."""
        self._opened.set()

    def allow(self, count: int) -> None:
        """Wait until so many bytes more may pass to the server."""
        with self._lock:
            self._left -= count
            enough = self._left < 0
        if enough:
            self._closed.set()
            self._opened.wait()

    def carry(self, client: socket.socket) -> None:
        """Connect a client to the server until both have closed."""
        with connect(self._server) as target:
            carry(client, target, sent=self.allow)


@contextlib.contextmanager
def gate(server: str, count: int) -> Iterator[Gate]:
    """A gate before HOST:PORT, for the length of a `with`; it is open in the end."""
    own = Gate(server, count)
    with accepting(own.carry) as own.address:
        try:
            yield own
        finally:
            own.open()
