"""What a supervisor is told, over the socket that it shares with whoever has hired it."""

from __future__ import annotations

from runtime import frames as f
from runtime.lean import NamedTuple, from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from runtime.sockets import Socket

#: unix(7), SCM_MAX_FD.
_FILES_AT_ONCE: Final = 253
_PIECE: Final = 64 * 1024


class Order(NamedTuple):
    """The container, and how its engine is to be called.

    With it come open files: the lock of the container, the mounts it is to run in, its network namespace if it has one,
    what holds its published ports, or its hub, and the pipes for its streams.
    """

    home: str
    state: str
    identifier: str
    run: list[str]
    delete: list[str]
    engine: list[str]
    """What each of its commands begins with."""
    remains: str
    """Where the engine keeps what it knows of the container."""
    environ: dict[str, str]
    streams: list[list[int]]
    """For each of these pipes the kinds of streams that it is for."""
    network: bool
    """The container has a network namespace of its own."""
    in_hub: bool
    """The first of the files behind that is the hub that the container is in."""
    group: str
    """Its name among the control groups."""
    volumes: Sequence[str] = ()
    """Those of its volumes that are mounted for all of the host."""

    def executing(self, program: str) -> Order:
        """Give the same order for another file of the engine."""
        run, delete, engine = ([program, *words[1:]] for words in (self.run, self.delete, self.engine))
        return self._replace(run=run, delete=delete, engine=engine)


def give(supervisor: Socket, order: Order, files: Sequence[int]) -> None:
    """Send an order with files, of which the kernel takes so many with each piece of it."""
    words = f.frame(f.START, to_json(order._asdict()).encode())
    while len(files) > _FILES_AT_ONCE:
        supervisor.send_files(words[:1], files[:_FILES_AT_ONCE])
        words, files = words[1:], files[_FILES_AT_ONCE:]
    supervisor.send_files(words, files)


def take(connection: Socket, frames: f.Frames) -> tuple[Order, list[int]] | None:
    """Wait for an order; None if who would have given it has thought better of it."""
    files: list[int] = []
    while True:
        data, received = connection.receive_files(_PIECE, _FILES_AT_ONCE)
        if not data:
            return None
        files += received
        for kind, content in frames.feed(data):
            if kind == f.START:
                return Order(**from_json(content)), files
