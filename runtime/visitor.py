"""Somebody on the other end of a supervisor's socket."""

from __future__ import annotations

from runtime import frames as f
from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.process import Process
    from runtime.sockets import Socket

#: Who prints faster than somebody reads has to wait when so much is on its way.
_BACKLOG: Final = 1024 * 1024


class Visitor:
    """Somebody on the other end of a socket."""

    def __init__(self, connection: Socket) -> None:
        self.connection = connection
        connection.setblocking(False)
        self.frames = f.Frames()
        self.outgoing = bytearray()
        self.process: Process | None = None
        """Whose streams they are concerned with, if not the container's own."""
        self.attached = False
        self.left = False
        """They have said that they leave what goes on."""

    @property
    def full(self) -> bool:
        """Whether so much is on its way that nothing more is to be sent for now."""
        return len(self.outgoing) > _BACKLOG

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
