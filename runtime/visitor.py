"""Somebody on the other end of a supervisor's socket."""

import socket
from contextlib import suppress

from runtime import frames as f


class Visitor:
    """Somebody on the other end of a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.setblocking(False)
        self.frames = f.Frames()
        self.outgoing = bytearray()
        self.attached = False
        self.waits = False

    def send(self, kind: int, content: bytes = b"") -> None:
        """Have something sent as soon as it can be."""
        self.outgoing += f.frame(kind, content)
        self.flush()

    def flush(self) -> None:
        """Send what can be sent now."""
        with suppress(BlockingIOError):
            while self.outgoing:
                sent = self.connection.send(self.outgoing)
                del self.outgoing[:sent]
