"""Those on the other ends of a supervisor's sockets."""

from __future__ import annotations

import select

from runtime import frames as f
from runtime.container import reachable
from runtime.executions import Execution
from runtime.lean import suppress
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.process import Process

#: Who prints faster than somebody reads has to wait when so much is on its way.
_BACKLOG: Final = 1024 * 1024


class Visitor:
    """Somebody on the other end of a socket, who is concerned with the streams of a process."""

    def __init__(self, connection: Socket, process: Process, frames: f.Frames) -> None:
        self.connection = connection
        connection.setblocking(False)
        self.process = process
        self.frames = frames
        self.outgoing = bytearray()
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

    def send_last(self, kind: int, content: bytes) -> None:
        """Send this and what is still on its way, however long it takes. Raises OSError if they are gone."""
        self.connection.setblocking(True)
        self.send(kind, content)


class Visitors:
    """All of them, and the socket by which they come; ``process`` is what they are concerned with at first."""

    def __init__(self, folder: str, process: Process) -> None:
        self._process = process
        self._all: list[Visitor] = []
        self._restarters: list[Visitor] = []
        self.door = Socket()
        with reachable(folder) as short:
            self.door.bind(f"{short}/socket")
        self.door.listen()

    def __contains__(self, visitor: Visitor) -> bool:
        return visitor in self._all

    def admit(self, connection: Socket, frames: f.Frames) -> Visitor:
        """Begin to listen to somebody, of whom the frames may have some words already."""
        visitor = Visitor(connection, self._process, frames)
        self._all.append(visitor)
        return visitor

    def at(self, file: int) -> Visitor | None:
        """Give who is on the other end of a socket; None if they have just gone."""
        return next((visitor for visitor in self._all if visitor.connection.fileno() == file), None)

    def register(self, poll: select.poll) -> None:
        """Wait for what they say, unless nobody has room for what they type, and for what can be sent."""
        for visitor in self._all:
            reads = 0 if visitor.process.streams.full else select.POLLIN
            poll.register(visitor.connection, reads | (select.POLLOUT if visitor.outgoing else 0))

    def hold_up(self, process: Process) -> bool:
        """Tell whether a process prints faster than somebody reads."""
        return any(visitor.full for visitor in self._all if visitor.process is process)

    def show(self, kind: int, data: bytes) -> None:
        """Show those who are attached what the container prints."""
        for visitor in list(self._all):
            if visitor.attached:
                try:
                    visitor.send(kind, data)
                except OSError:
                    self.drop(visitor)

    def drop(self, visitor: Visitor) -> None:
        """Listen to somebody no more, with whom what they type has come to its end. Idempotent."""
        if visitor not in self._all:
            return
        self._all.remove(visitor)
        visitor.connection.close()
        if isinstance(visitor.process, Execution):
            visitor.process.abandon(hang_up=not visitor.left)
        elif visitor.attached and visitor.process.stdin_once:
            visitor.process.streams.type(b"", ends=True)

    def say_goodbye(self, code: int) -> None:
        """Tell everybody that the container has ended. Those who are slow to read do not keep the others waiting."""
        for visitor in sorted(self._all, key=lambda each: len(each.outgoing)):
            with suppress(OSError):
                visitor.send_last(f.EXIT, b"%d" % code)
            visitor.connection.close()
        self._all = []

    @property
    def want_restart(self) -> bool:
        """Whether somebody waits until the container has ended and been started again."""
        return bool(self._restarters)

    def let_wait(self, visitor: Visitor) -> None:
        """Let somebody hear nothing more until the container is started again."""
        self._all.remove(visitor)
        self._restarters.append(visitor)

    def welcome(self, failure: bytes | None) -> None:
        """Tell those who have waited for it that the container is started again, or why it could not be."""
        self._all, self._restarters = self._restarters, []
        for visitor in self._all:
            with suppress(OSError):
                visitor.send(*((f.STARTED, b"") if failure is None else (f.FAILED, failure)))
