"""HTTP answers whose head came whole.

``http.client`` takes the end of a connection for the end of a head. So the answer of a store that dies while it writes
would be taken for a whole one that lacks a header or states half a length; boto3 asks again where it is told so.
"""

import io
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any


class WholeResponse(HTTPResponse):
    """A response that must not end within a line."""

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = _WholeLines(self.fp.detach())


class _WholeLines(io.BufferedReader):
    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line, at most ``size`` bytes of it. Raises RemoteDisconnected if the end comes first."""
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise RemoteDisconnected("the store closed the connection within an answer")
        return line
