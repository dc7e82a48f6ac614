"""One request, as a handler sees it."""

import asyncio
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from aiohttp import HttpVersion11, hdrs

from storage.oci.errors import RequestInvalid, RequestTimeout, SizeInvalid, UriTooLong
from storage.oci.reference import Name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from auth.principal import Caller
    from registry.http.api import Api
    from storage.repository import Repository

#: More parameters than any client sends; a PUT may name many tags.
_PARAMETERS: Final = 200
#: The name in a path that names no repository.
NOWHERE: Final = Name("")
#: For how long the next bytes of a body are waited for, in seconds.
SILENCE: Final = 60.0
_DIGITS: Final = re.compile(r"[0-9]{1,19}\Z")


class Call:
    """A request, what its path says, and the API it is made to.

    ``path`` is decoded once; ``name`` and ``argument`` are its parts, of which ``name`` is checked. ``caller`` is there
    as soon as he is admitted.
    """

    __slots__ = ("_query", "api", "argument", "caller", "name", "path", "request")

    caller: "Caller"

    def __init__(self, request: "web.BaseRequest", api: "Api", path: str, name: "Name", argument: str) -> None:
        self.request = request
        self.api = api
        self.path = path
        self.name = name
        self.argument = argument
        self._query: list[tuple[str, str]] | None = None

    @property
    def repository(self) -> "Repository":
        """The repository in the path."""
        return self.api.namespace.repository(self.name)

    @property
    def repository_path(self) -> str:
        """The path below which the repository's resources lie."""
        return f"/v2/{self.name}"

    def parameters(self, key: str) -> list[str]:
        """All values of a query parameter, in order. Raises UriTooLong if there are too many parameters."""
        if self._query is None:
            text = self.request.raw_path.partition("?")[2]
            try:
                self._query = parse_qsl(text, keep_blank_values=True, max_num_fields=_PARAMETERS) if text else []
            except ValueError:
                raise UriTooLong(f"a query holds at most {_PARAMETERS} parameters") from None
        return [value for name, value in self._query if name == key]

    def parameter(self, key: str) -> str | None:
        """The first value of a query parameter."""
        return next(iter(self.parameters(key)), None)

    def header(self, name: str) -> str:
        """The value of a header, empty where there is none."""
        return self.request.headers.get(name, "")

    def content_length(self) -> int | None:
        """The announced length of the body in bytes, None where it is not known. Raises SizeInvalid."""
        text = self.request.headers.get(hdrs.CONTENT_LENGTH)
        if text is None:
            return None
        if _DIGITS.match(text) is None:
            raise SizeInvalid("the Content-Length is not a number", text[:100])
        return int(text)

    async def body(self) -> "AsyncIterator[bytes]":
        """Read the body in pieces, as they come.

        A client that waits to be asked for it (RFC 9110, section 10.1.1) is asked now, and not before. One of HTTP/1.0
        would take the question for the answer.
        Raises ConnectionError when the client goes away, RequestTimeout when it is silent.
        """
        request = self.request
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # What was sent is no part of the response.
            request.writer.output_size = 0
        while piece := await self._piece():
            yield piece

    async def _piece(self) -> bytes:
        try:
            async with asyncio.timeout(SILENCE):
                return await self.request.content.readany()
        except TimeoutError:
            raise RequestTimeout(f"nothing of the body came for {SILENCE:g} seconds") from None

    async def whole_body(self, limit: int, too_large: Exception) -> bytes:
        """Read a small body. Raises ``too_large`` above ``limit`` bytes."""
        length = self.content_length()
        if length is not None and length > limit:
            raise too_large
        pieces, size = [], 0
        async for piece in self.body():
            size += len(piece)
            if size > limit:
                raise too_large
            pieces.append(piece)
        if length is not None and size != length:
            raise RequestInvalid("the body ended early")
        return b"".join(pieces)
