"""Messages to and from the kernel (netlink(7)): how they are framed, and how the kernel says that one has failed."""

from __future__ import annotations

import os
from _socket import AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW, socket
from _struct import pack, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

REQUEST: Final = 0x1
ACK: Final = 0x4
REPLACE: Final = 0x100
EXCLUSIVE: Final = 0x200
DUMP: Final = 0x300
CREATE: Final = 0x400
APPEND: Final = 0x800

_ERROR: Final = 2
_DONE: Final = 3
_NESTED: Final = 0x8000
_LARGEST: Final = 64 * 1024


def attribute(kind: int, content: bytes) -> bytes:
    """Write one attribute."""
    return pack("=HH", len(content) + 4, kind) + content + bytes(-len(content) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Write an attribute that holds others."""
    return attribute(kind | _NESTED, b"".join(attributes))


def read_attributes(content: bytes) -> dict[int, bytes]:
    """Read attributes, by kind."""
    found, at = {}, 0
    while at + 4 <= len(content):
        length, kind = unpack_from("=HH", content, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = content[at + 4 : at + length]
        at += length + -length % 4
    return found


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Write one message."""
    return pack("=IHHII", len(body) + 16, kind, flags, sequence, 0) + body


def read_messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Part what was received into messages: kind, sequence number and body of each."""
    at = 0
    while at + 16 <= len(data):
        length, kind, _, sequence, _ = unpack_from("=IHHII", data, at)
        if length < 16:
            break
        yield kind, sequence, data[at + 16 : at + length]
        at += length + -length % 4


class Netlink:
    """A socket to one part of the kernel, in the network namespace in which it was made, wherever we go then."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def ask(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """Send a request and give the bodies of what comes back. Raises OSError if the kernel refuses it."""
        return self.ask_all([(kind, flags, body)])

    def ask_all(self, requests: list[tuple[int, int, bytes]]) -> list[bytes]:
        """Send requests together, the last of which is acknowledged or dumps something."""
        first = self._sequence + 1
        parts = []
        for kind, flags, body in requests:
            self._sequence += 1
            parts.append(message(kind, flags | REQUEST, self._sequence, body))
        self._socket.send(b"".join(parts))
        last = next(first + n for n in reversed(range(len(requests))) if requests[n][1] & (ACK | DUMP))
        return list(self._receive(first, last))

    def _receive(self, first: int, last: int) -> Iterator[bytes]:
        while True:
            for kind, sequence, body in read_messages(self._socket.recv(_LARGEST)):
                if sequence < first:
                    continue  # of a request that has failed before
                if kind == _ERROR:
                    number = -unpack_from("=i", body)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                if kind in (_ERROR, _DONE):
                    if sequence == last:
                        return
                else:
                    yield body
