"""Connections: how they are accepted, how many are served at once, and which make room for others."""

import asyncio
import errno
import logging
import resource
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_LOG: Final = logging.getLogger("preg.connections")
#: Nobody has so many clients at once, and each costs some memory.
_MOST: Final = 10_000
#: Open files that connections leave to all else: the storage's threads, those being refused, certificates, logs.
_RESERVED: Final = 256
#: A connection is a socket, and while it is busy a file or a connection to the store.
_FILES_EACH: Final = 2
#: A process that may open fewer files than are reserved is of use all the same.
_LEAST: Final = 32
#: So many at once are told to come again; who comes after them takes the place of the first.
_REFUSED_MOST: Final = 64
_BACKLOG: Final = 1024
#: How many connections are accepted before others get their turn.
_BATCH: Final = 64
#: For how long nothing is accepted after the system had no resources for it, in seconds.
_BACK_OFF: Final = 1.0
_NO_RESOURCES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: What is said where IPv6, or IPv4, is switched off.
_NO_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
#: For how long a client may take nothing of what it is sent, in milliseconds.
UNSENT: Final = 60_000
#: Of each kind of overload the log has a line in so many seconds.
_LOG_EVERY: Final = 60.0


class Connection(asyncio.BaseProtocol):
    """What speaks with one client."""

    __slots__ = ()

    lost: "asyncio.Future[None]"
    """Done when the connection is no more."""

    def refuse(self) -> None:
        """Answer the first request with 503, whatever it is."""
        raise NotImplementedError


class ConnectionLimit:
    """The connections of a process, of which at most ``most`` are served at once.

    A new one takes the place of the one that has been idle longest: that has sent no whole request since it was made or
    was last answered. Where none is idle the new one is refused.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._served: dict[Connection, asyncio.Task[None]] = {}
        self._idle: dict[Connection, None] = {}
        self._refused: dict[Connection, asyncio.Task[None]] = {}
        self._noted = Seldom()

    def admit(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """Give a place to a connection, which ends with its task and is ended by cancelling it."""
        if len(self._served) >= self._most and self._idle:
            self._drop(next(iter(self._idle)), self._served)
            self._noted.warn("%d connections are open: idle ones are closed to make room", self._most)
        if len(self._served) < self._most:
            self._served[connection] = task
            self._idle[connection] = None
        else:
            if len(self._refused) >= _REFUSED_MOST:
                self._drop(next(iter(self._refused)), self._refused)
            self._refused[connection] = task
            connection.refuse()
            self._noted.warn("%d connections are open, and none is idle: new ones are answered with 503", self._most)
        task.add_done_callback(lambda _: self._forget(connection))

    def busy(self, connection: Connection) -> None:
        """Note that a connection has a request to answer."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Note that a connection has none any more."""
        if connection in self._served:
            self._idle[connection] = None

    def _drop(self, connection: Connection, place: dict[Connection, asyncio.Task[None]]) -> None:
        place[connection].cancel()
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        for place in (self._served, self._idle, self._refused):
            place.pop(connection, None)


class Seldom:
    """A log that has each warning once a minute at most."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def warn(self, text: str, *arguments: object) -> None:
        """Write a line, unless there was one of the same text a moment ago."""
        now = time.monotonic()
        if now - self._said.get(text, -_LOG_EVERY) >= _LOG_EVERY:
            self._said[text] = now
            _LOG.warning(text, *arguments)


class Listener:
    """Accepts connections at some addresses until it is closed."""

    def __init__(
        self,
        sockets: list[socket.socket],
        limit: ConnectionLimit,
        make: "Callable[[], Connection]",
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._limit = limit
        self._make = make
        self._tls = tls
        self._noted = Seldom()
        for each in sockets:
            each.setblocking(False)
            # Accepted sockets inherit it. Nobody but the kernel knows how far its sendfile has come.
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT)
            self._loop.add_reader(each, self._accept, each)

    @property
    def port(self) -> int:
        """The port, which the kernel may have chosen."""
        return int(self._sockets[0].getsockname()[1])

    def close(self) -> None:
        """Accept no more; what was accepted goes on."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                client, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_RESOURCES:
                    raise
                self._noted.warn("no connection can be accepted for a moment: %s", error.strerror)
                self._loop.remove_reader(listening)
                self._loop.call_later(_BACK_OFF, self._go_on, listening)
                return
            self._begin(client)

    def _go_on(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening, self._accept, listening)

    def _begin(self, client: socket.socket) -> None:
        client.setblocking(False)
        connection = self._make()
        task = self._loop.create_task(self._speak(client, connection))
        # A task that is cancelled before it begins closes nothing by itself.
        task.add_done_callback(lambda _: client.close())
        self._limit.admit(connection, task)

    async def _speak(self, client: socket.socket, connection: Connection) -> None:
        """Speak with a client until the connection is lost; being cancelled ends it at once."""
        try:
            transport, _ = await self._loop.connect_accepted_socket(lambda: connection, client, ssl=self._tls)
        except OSError:
            return  # its TLS, or the lack of it, is the client's fault
        try:
            await connection.lost
        finally:
            transport.abort()


def allow_connections() -> int:
    """Raise the limit of open files as far as it goes, and say for how many connections that is enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return _MOST
    return min(_MOST, max(_LEAST, (hard - _RESERVED) // _FILES_EACH))


async def bind(host: str, port: int) -> list[socket.socket]:
    """Listen on each address of a host, on those of all interfaces if it is empty. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    unusable = None
    try:
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            # All have one port, also where the kernel chooses it.
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                sockets.append(
                    socket.create_server((address[0], chosen, *address[2:]), family=family, backlog=_BACKLOG)
                )
            except OSError as error:
                if error.errno not in _NO_FAMILY:
                    raise
                unusable = error
        if unusable is not None and not sockets:
            raise unusable
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets
