"""What a server answers, as it comes.

It is hostile until it is read, so llhttp reads it, the strict parser of Node.js: where a body ends is clear, or it is a
fault. Here is what llhttp leaves to its user: a limit of the head, HEAD, interim answers, the end of the connection.
"""

from collections import deque
from typing import Final

from httptools import HttpParserError, HttpResponseParser

#: So many bytes may come without any of the body: a head, or what is between two pieces.
_HEAD_LIMIT: Final = 64 * 1024


class HttpFault(Exception):
    """There is no answer, or not all of it. A ``passing`` fault may be gone at the next try."""

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


class Headers:
    """Headers by their names, in any case; there may be several of one name."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self._lines = [(name.lower(), value) for name, value in lines]

    def all(self, name: str) -> list[str]:
        """Give every value."""
        return [value for key, value in self._lines if key == name.lower()]

    def get(self, name: str, default: str = "") -> str:
        """Give the first value."""
        return next(iter(self.all(name)), default)


class Answer:
    """The answer to one request. The parser calls what begins with ``on_``."""

    def __init__(self, method: str) -> None:
        self.status = 0
        """Nought until the head is complete."""
        self.headers = Headers([])
        self.pieces: deque[bytes] = deque()
        self.waiting = 0
        """The bytes in the pieces."""
        self.complete = False
        self.lasting = False
        """Whether the server takes another request over this connection."""
        self.fault: HttpFault | None = None
        """Why the rest will not come."""
        self._bodiless = method in ("HEAD", "CONNECT")
        self._until_end = False
        self._lines: list[tuple[str, str]] = []
        self._overhead = 0
        self._parser = HttpResponseParser(self)

    def feed(self, data: memoryview) -> None:
        """Read what the server sent."""
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self.lasting = False
            # What a method below has raised is the context of the parser's error.
            self._fail(HttpFault(f"the server's answer makes no sense: {error.__context__ or error}", passing=False))
        if self._overhead > _HEAD_LIMIT:
            self._fail(HttpFault("the server sent headers without an end", passing=False))

    def end(self, fault: HttpFault | None) -> None:
        """Take it that the connection has ended, by a fault or not."""
        self.lasting = False
        self.complete = self.complete or (self._until_end and fault is None and self.fault is None)
        self._fail(fault or HttpFault("the server closed the connection too early"))

    def take(self) -> bytes:
        """Give the next piece of the body, nothing if there is none."""
        piece = self.pieces.popleft() if self.pieces else b""
        self.waiting -= len(piece)
        return piece

    def _fail(self, fault: HttpFault) -> None:
        if not self.complete:
            self.fault = self.fault or fault

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("there are two")
        self._lines.clear()  # those of an interim answer

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines.append((name.decode("latin-1"), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 101:
            raise ValueError("what follows is not HTTP")
        if status < 200:
            return
        self.headers = Headers(self._lines)
        codings = self.headers.all("Transfer-Encoding")
        if codings and [coding.lower() for coding in codings] != ["chunked"]:
            raise ValueError(f"its body is coded as {', '.join(codings)}")
        self.status = status
        self.complete = self._bodiless
        self.lasting = self._parser.should_keep_alive()
        self._until_end = not codings and not self.headers.all("Content-Length")

    def on_body(self, body: bytes) -> None:
        if self.complete or not self.status:
            raise ValueError("there is a body where none belongs")
        self._overhead = 0
        self.pieces.append(body)
        self.waiting += len(body)

    def on_message_complete(self) -> None:
        self.complete = self.status > 0
