"""As much of D-Bus as it takes to call one method of a program, and to hear what it tells (D-Bus Specification).

It goes over a socket of that program, with no message bus between.
"""

from __future__ import annotations

from runtime.errors import Fault
from runtime.lean import NamedTuple
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, Self

CALL, REPLY, ERROR, SIGNAL = 1, 2, 3, 4
#: What the fields of a header tell.
_PATH, _INTERFACE, MEMBER, ERROR_NAME, _DESTINATION, _SIGNATURE = 1, 2, 3, 4, 6, 8
_HEADER: Final = 16
#: What stands for a number, a string and a path.
_KNOWN: Final = "uso"
#: Alignments: of a number, and of a structure.
NUMBER, STRUCTURE = 4, 8
#: The specification's limit for a message.
_LONGEST: Final = 128 << 20


class Message(NamedTuple):
    """What somebody has said."""

    kind: int
    fields: dict[int, str]
    words: list[str]
    """The strings and paths that its body begins with; a number before them is left out."""


class Writer:
    """Writes values as they are sent, each at its alignment."""

    def __init__(self) -> None:
        self.data = bytearray()

    def align(self, size: int) -> None:
        """Begin at a multiple of this size."""
        self.data += bytes(-len(self.data) % size)

    def number(self, value: int) -> None:
        """Write an unsigned number, or a truth."""
        self.align(NUMBER)
        self.data += value.to_bytes(4, "little")

    def string(self, text: str) -> None:
        """Write a string, or a path."""
        raw = text.encode()
        self.number(len(raw))
        self.data += raw + b"\0"

    def signature(self, text: str) -> None:
        """Write which types values have."""
        self.data += bytes([len(text)]) + text.encode() + b"\0"

    def array(self, alignment: int, write: Callable[[], None]) -> None:
        """Write an array of what has this alignment."""
        self.number(0)
        length = len(self.data)
        self.align(alignment)
        first = len(self.data)
        write()
        self.data[length - 4 : length] = (len(self.data) - first).to_bytes(4, "little")


class _Reader:
    """Reads values as they were sent, the first of which was at a multiple of every alignment. Raises ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> dict[int, str]:
        """Read those of a header that are texts."""
        found = {}
        while self._at < len(self._data):
            self._align(STRUCTURE)
            code = self._take(1)[0]
            value = self._value(self._signature())
            if value is not None:
                found[code] = value
        return found

    def words(self, types: str) -> list[str]:
        """Read the strings and paths at the beginning."""
        found = []
        for kind in types:
            if kind not in _KNOWN:
                break
            value = self._value(kind)
            if value is not None:
                found.append(value)
        return found

    def _value(self, kind: str) -> str | None:
        """Read a value of a type; a number is passed over."""
        if kind == "g":
            return self._signature()
        if kind not in _KNOWN:
            raise ValueError(f"a value of the type {kind!r}")
        self._align(NUMBER)
        number = int.from_bytes(self._take(4), "little")
        return None if kind == "u" else self._text(number)

    def _signature(self) -> str:
        return self._text(self._take(1)[0])

    def _text(self, length: int) -> str:
        return self._take(length + 1)[:-1].decode()

    def _align(self, size: int) -> None:
        self._take(-self._at % size)

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise ValueError("it ends in the middle")
        self._at += size
        return taken


def read_message(read: Callable[[int], bytes]) -> Message:
    """Read what has been said, so many bytes at a time. Raises Fault if it is no D-Bus."""
    header = read(_HEADER)
    try:
        length, fields = (int.from_bytes(header[at : at + 4], "little") for at in (4, 12))
        if header[:1] != b"l" or length + fields > _LONGEST:
            raise ValueError("neither the order of bytes nor the length of anything that a program of this host says")
        texts = _Reader(read(fields + -fields % STRUCTURE)[:fields]).fields()
        return Message(header[1], texts, _Reader(read(length)).words(texts.get(_SIGNATURE, "")))
    except (ValueError, IndexError) as fault:
        raise Fault(f"what was said is no D-Bus: {fault}") from fault


class Connection:
    """A connection to a program that listens at a path. Raises OSError, and Fault for what is no D-Bus."""

    def __init__(self, path: str, patience: float) -> None:
        self._socket = Socket()
        self._socket.settimeout(patience)
        try:
            self._socket.connect(path)
            # It asks the kernel who we are: in a user namespace we do not know it.
            self._socket.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
            while not (line := self._line()).startswith(b"OK "):
                if line.startswith((b"REJECTED", b"ERROR")):
                    raise Fault(f"{path} does not take us for who we are")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, where: tuple[str, str, str], method: str, types: str, body: bytes) -> None:
        """Call a method with values of these types, of an object that has a name, a path and an interface."""
        destination, path, interface = where
        header = Writer()
        header.data += bytes([ord("l"), CALL, 0, 1])
        header.number(len(body))
        header.number(1)

        def write() -> None:
            texts = ((_PATH, "o", path), (_INTERFACE, "s", interface), (MEMBER, "s", method))
            for code, kind, text in (*texts, (_DESTINATION, "s", destination)):
                header.align(STRUCTURE)
                header.data.append(code)
                header.signature(kind)
                header.string(text)
            header.align(STRUCTURE)
            header.data.append(_SIGNATURE)
            header.signature("g")
            header.signature(types)

        header.array(STRUCTURE, write)
        header.align(STRUCTURE)
        self._socket.sendall(bytes(header.data) + body)

    def next(self) -> Message:
        """Wait for what is said next."""
        return read_message(self._read)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise Fault("it has hung up")
            data += piece
        return data

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += self._read(1)
        return line
