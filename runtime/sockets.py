"""Unix sockets without the module ``socket``: importing that costs each supervisor memory, and each command time."""

from __future__ import annotations

import _socket
from _socket import AF_UNIX, CMSG_LEN, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_SIZE: Final = 4
"""Of a descriptor among ancillary data (unix(7)), an int of C."""


class Socket(_socket.socket):
    """A Unix socket: a new one, or that of an open file, which it takes over."""

    def __init__(self, file: int | None = None) -> None:
        super().__init__(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, file)

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
