"""Unix sockets without the module ``socket``: importing that costs each supervisor memory, and each command time."""

from __future__ import annotations

import _socket
import sys
from _socket import AF_UNIX, CMSG_LEN, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, Self

_SIZE: Final = 4
"""Of a descriptor among ancillary data (unix(7)), an int of C."""


class Socket(_socket.socket):
    """A Unix socket: a new one, or that of an open file, which it takes over."""

    def __init__(self, file: int | None = None) -> None:
        super().__init__(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @classmethod
    def pair(cls) -> tuple[Socket, Socket]:
        """Make two that are connected."""
        one, other = _socket.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
        return cls(one.detach()), cls(other.detach())

    def accept(self) -> Socket:
        """Wait for somebody to connect."""
        file, _ = self._accept()  # type: ignore[attr-defined]  # which the standard library calls
        return Socket(file)

    def receive_files(self, size: int, most: int) -> tuple[bytes, list[int]]:
        """Receive data, and the open files that come with it."""
        data, received, _, _ = self.recvmsg(size, CMSG_LEN(most * _SIZE), MSG_CMSG_CLOEXEC)
        files: list[int] = []
        for level, kind, content in received:
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                files += memoryview(content[: len(content) - len(content) % _SIZE]).cast("i").tolist()
        return data, files

    def send_files(self, data: bytes, files: Sequence[int]) -> None:
        """Send data, and open files with it."""
        if not files:
            self.sendall(data)
            return
        content = b"".join(file.to_bytes(_SIZE, sys.byteorder) for file in files)
        sent = self.sendmsg([data], [(SOL_SOCKET, SCM_RIGHTS, content)])
        if sent < len(data):  # who has all of it may be done with us already
            self.sendall(data[sent:])
