"""The clients of a supervisor: the commands at the other ends of its sockets and pipes.

A client's requests come by its socket, and so does what it is told. The streams that it is attached to come and go by
pipes of its own, a bounded buffer each, so none of them can hold up another, a request, or the news of the end.
"""

from __future__ import annotations

import os
import select

from runtime import frames as f
from runtime.container import reachable
from runtime.executions import Execution
from runtime.lean import suppress
from runtime.sockets import Socket
from runtime.streams import PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runtime.process import Process
    from runtime.streams import Poller


class Outlet:
    """A client's pipe for what a process prints. What it has no room for waits here."""

    def __init__(self, file: int) -> None:
        os.set_blocking(file, False)
        self.file: int | None = file
        self._waiting: list[memoryview] = []
        self._ends = False

    @property
    def is_full(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def write(self, data: bytes) -> None:
        """Write as much as there is room for, and the rest as soon as there is."""
        if self.file is not None:
            self._waiting.append(memoryview(data))
            self.flush()

    def end(self) -> None:
        """Close the pipe when all has been written."""
        self._ends = True
        self.flush()

    def flush(self, _: int = 0) -> None:
        """Write what there is room for."""
        try:
            while self._waiting and self.file is not None:
                piece = self._waiting.pop(0)
                try:
                    left = piece[os.write(self.file, piece) :]
                except BlockingIOError:
                    left = piece
                if left:
                    self._waiting.insert(0, left)
                    return
        except OSError:  # nobody reads it any more
            self._ends = True
        if self._ends:
            self.close()

    def close(self) -> None:
        """Close the pipe, whatever waits."""
        self._waiting.clear()
        if self.file is not None:
            os.close(self.file)
            self.file = None


class Client:
    """A command at the other end of a socket, which is concerned with a process: the container's own at first."""

    def __init__(self, connection: Socket, process: Process, frames: f.Frames) -> None:
        self.connection = connection
        connection.setblocking(False)
        self.process = process
        self.left = False
        """It has said that it leaves what goes on."""
        self.last_words: bytes | None = None
        """What it is told when its outlets are closed; nothing else is done for it."""
        self._frames = frames
        self._outgoing = bytearray()
        self._files: list[int] = []
        """Pipes that have come, and are not claimed yet."""
        self._outlets: dict[int, Outlet] = {}

    def attach(self, streams: Sequence[Sequence[int]], files: Sequence[int] | None = None) -> None:
        """Connect the streams of the process with pipes, by default those that have come. Raises ValueError."""
        if files is None:
            files, self._files = self._files, []
        for kinds, file in zip(streams, files, strict=True):
            if kinds == [f.STDIN]:
                self.process.streams.add_source(file)
            else:
                self._outlets.update(dict.fromkeys(kinds, Outlet(file)))

    def watch(self, poller: Poller, attend: Callable[[Client, int], None]) -> None:
        """Wait for its requests, and for room for what it is still to see."""
        events = select.POLLIN | (select.POLLOUT if self._outgoing else 0)
        poller.add(self.connection.fileno(), events, lambda ready: attend(self, ready))
        for outlet in self._outlets.values():
            if outlet.is_full and outlet.file is not None:
                poller.add(outlet.file, select.POLLOUT, outlet.flush)

    def receive(self) -> Iterator[tuple[int, bytes]] | None:
        """Give the requests that have come; None if the client is gone. Raises OSError and ValueError."""
        data, files = self.connection.receive_files(PIECE, f.MOST_STREAMS)
        self._files += files
        return self._frames.feed(data) if data else None

    def is_full(self, kind: int) -> bool:
        """Whether it has no room for more of a stream."""
        outlet = self._outlets.get(kind)
        return outlet is not None and outlet.is_full

    def show(self, kind: int, data: bytes) -> None:
        """Have it see what a process prints, if it is attached to that stream."""
        outlet = self._outlets.get(kind)
        if outlet is not None:
            outlet.write(data)

    def tell(self, kind: int, content: bytes = b"") -> None:
        """Have something sent as soon as it can be."""
        self._outgoing += f.frame(kind, content)
        with suppress(OSError):  # it is gone, which is found when it is served next
            self.flush()

    def part(self, kind: int, content: bytes) -> None:
        """Have this sent last, behind all that it is still to see."""
        if self.last_words is None:
            self.last_words = f.frame(kind, content)
            for outlet in self._outlets.values():
                outlet.end()

    def flush(self) -> bool:
        """Send what can be sent now; whether the last has been."""
        if self.last_words and all(outlet.file is None for outlet in self._outlets.values()):
            self._outgoing += self.last_words
            self.last_words = b""
        with suppress(BlockingIOError):
            while self._outgoing:
                sent = self.connection.send(self._outgoing)
                del self._outgoing[:sent]
        return self.last_words == b"" and not self._outgoing

    def close(self) -> None:
        """Close its socket and its pipes."""
        self.connection.close()
        for outlet in self._outlets.values():
            outlet.close()
        while self._files:
            os.close(self._files.pop())


class Clients:
    """All of them, and the socket by which they come; ``process`` is what they are concerned with at first."""

    def __init__(self, folder: str, process: Process) -> None:
        self._process = process
        self._all: list[Client] = []
        self._restarters: list[Client] = []
        self.listener = Socket()
        with reachable(folder) as short:
            self.listener.bind(f"{short}/socket")
        self.listener.listen()

    def __contains__(self, client: Client) -> bool:
        return client in self._all

    def __bool__(self) -> bool:
        """Whether there is any, be it one that is still to read what was printed before the end."""
        return bool(self._all)

    def add(self, connection: Socket, frames: f.Frames) -> Client:
        """Begin to listen to a client, of which the frames may have some requests already."""
        client = Client(connection, self._process, frames)
        self._all.append(client)
        return client

    def watch(self, poller: Poller, attend: Callable[[Client, int], None]) -> None:
        """Wait for all of them."""
        for client in self._all:
            client.watch(poller, attend)

    def backpressure(self, process: Process) -> Callable[[int], bool]:
        """Return what tells whether a process prints faster to a kind of stream than some client reads."""
        readers = [client for client in self._all if client.process is process and client.last_words is None]
        return lambda kind: any(client.is_full(kind) for client in readers)

    def show(self, kind: int, data: bytes) -> None:
        """Show those who are attached to it what the container prints."""
        for client in self._all:
            if client.process is self._process and client.last_words is None:
                client.show(kind, data)

    def settle(self) -> None:
        """Send what can be sent now, and let those go that have been told all."""
        for client in list(self._all):
            self._settle(client)

    def _settle(self, client: Client) -> None:
        try:
            if client.flush():
                self.drop(client)
        except OSError:  # it is gone
            self.drop(client)

    def drop(self, client: Client) -> None:
        """Listen to a client no more. Idempotent."""
        if client not in self._all:
            return
        self._all.remove(client)
        client.close()
        if client.last_words is None and isinstance(client.process, Execution):
            client.process.abandon(hang_up=not client.left)

    def drop_all(self) -> None:
        """Listen to nobody any more."""
        for client in list(self._all):
            self.drop(client)

    def send_exit(self, code: int) -> None:
        """Tell everybody that the container has ended, each behind all that it has printed for them."""
        for client in list(self._all):
            client.part(f.EXIT, b"%d" % code)
            self._settle(client)

    @property
    def want_restart(self) -> bool:
        """Whether some client waits until the container has ended and been started again."""
        return bool(self._restarters)

    def hold_for_restart(self, client: Client) -> None:
        """Tell a client nothing more until the container is started again."""
        self._all.remove(client)
        self._restarters.append(client)

    def report_restart(self, failure: bytes | None) -> None:
        """Tell those who have waited for it that the container is started again, or why it could not be."""
        restarters, self._restarters = self._restarters, []
        for client in restarters:
            self._all.append(client)
            client.part(*((f.STARTED, b"") if failure is None else (f.FAILED, failure)))
            self._settle(client)
