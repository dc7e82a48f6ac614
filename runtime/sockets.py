"""Unix sockets without the module ``socket``: importing that costs each supervisor memory, and each command time."""

import _socket
import array
from _socket import AF_UNIX, CMSG_LEN, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET
from typing import Final

_SIZE: Final = array.array("i").itemsize


class Socket(_socket.socket):
    """A Unix socket: a new one, or that of an open file, which it takes over."""

    def __init__(self, file: int | None = None) -> None:
        super().__init__(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, file)

    def accept(self) -> "Socket":
        """Wait for somebody to connect."""
        file, _ = self._accept()  # type: ignore[attr-defined]  # which the standard library calls
        return Socket(file)

    def receive_files(self, size: int, most: int) -> tuple[bytes, list[int]]:
        """Receive data, and the open files that come with it."""
        data, received, _, _ = self.recvmsg(size, CMSG_LEN(most * _SIZE), MSG_CMSG_CLOEXEC)
        files = array.array("i")
        for level, kind, content in received:
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                files.frombytes(content[: len(content) - len(content) % _SIZE])
        return data, files.tolist()
