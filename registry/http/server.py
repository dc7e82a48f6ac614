"""aiohttp's low-level server, told what a registry needs: limits, no decompression, JSON even for broken requests."""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec
from aiohttp import hdrs, http_exceptions, web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.web_protocol import _ErrInfo

from registry.http.connections import Connection, ConnectionLimit
from registry.http.errors import render, render_internal
from registry.http.responses import REQUEST_ID
from storage.oci.errors import RequestHeaderTooLarge, RequestInvalid

#: A token may speak of many repositories, so its header is long.
_HEADER_LIMIT: Final = 128 * 1024
_LINE_LIMIT: Final = 64 * 1024
#: How much of a body is taken from the kernel before it is asked to wait, in bytes.
_READ_AHEAD: Final = 256 * 1024
#: Idle connections are kept longer than proxies keep theirs, so that it is never us who closes one in use.
_KEEPALIVE: Final = 90.0
#: How long a client may go on sending what was refused already, in seconds.
_LINGER: Final = 1.0


class Handler(Protocol):
    """Answers requests."""

    async def __call__(self, request: web.BaseRequest, /) -> web.StreamResponse:
        """Answer a request."""

    async def refuse(self, request: web.BaseRequest, /) -> web.StreamResponse:
        """Answer a request on a connection more than can be served."""


class HttpServer(web.Server):
    """Serves one handler, on as many connections as a limit has places for."""

    def __init__(
        self,
        handler: Handler,
        limit: ConnectionLimit | None = None,
        *,
        access_log: bool,
    ) -> None:
        super().__init__(
            handler,
            access_log_class=AccessLog,
            access_log=logging.getLogger("preg.access") if access_log else None,
            auto_decompress=False,
            max_field_size=_HEADER_LIMIT,
            max_line_size=_LINE_LIMIT,
            read_bufsize=_READ_AHEAD,
            keepalive_timeout=_KEEPALIVE,
        )
        self.refuse = handler.refuse
        self.limit = limit or ConnectionLimit()

    def __call__(self) -> "_Connection":
        """Make what speaks with one connection."""
        return _Connection(self, self.limit, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler, Connection):
    """One connection, whose malformed requests are answered like all others: in JSON, and without a traceback."""

    _refused = False
    """What came last was no request, so nothing behind it is one."""

    def __init__(
        self, server: HttpServer, limit: ConnectionLimit, *, loop: asyncio.AbstractEventLoop, **settings: Any
    ) -> None:
        super().__init__(server, loop=loop, **settings)
        self.lost = loop.create_future()
        self._limit = limit
        self._refuse = server.refuse

    def refuse(self) -> None:
        """See ``Connection.refuse``."""
        self._request_handler = self._refuse

    def data_received(self, data: bytes) -> None:
        """Take what comes, and know whether there is a whole request in it."""
        if self._refused:
            return
        if self._current_request is None or not (self._close or self._force_close):
            super().data_received(data)
        else:
            self._take_the_rest(data)
        if self._messages:
            self._limit.busy(self)
            if isinstance(self._messages[-1][0], _ErrInfo):
                self._refused = True
                self._break_body()

    def _take_the_rest(self, data: bytes) -> None:
        """Take what belongs to a running request also while the server stops: aiohttp drops it and waits in vain."""
        stopping = self._close, self._force_close
        self._close = self._force_close = False
        try:
            super().data_received(data)
        finally:
            self._close, self._force_close = stopping

    def _break_body(self) -> None:
        """Tell a handler that its body's framing is broken: aiohttp lets it wait for as long as the client does."""
        if self._current_request is not None and not self._current_request.content.is_eof():
            self._current_request.content.set_exception(web.RequestPayloadError())

    def log_exception(self, *args: object, **more: object) -> None:
        """Pass over a broken body where aiohttp meets it once more behind the answer: it is its sender's fault."""
        if not isinstance(more.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **more)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake who waits for the client to go."""
        super().connection_lost(exc)
        if not self.lost.done():
            self.lost.set_result(None)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Let the client read why it was refused: closing a socket with bytes unread takes the answer back.

        RFC 9112, section 9.6.
        """
        done = await super().finish_response(request, resp, start_time)
        if self._refused and not self._messages and self.transport is not None:
            if self.transport.can_write_eof():
                self.transport.write_eof()
            await asyncio.wait([self.lost], timeout=_LINGER)
        if not self._messages and self.transport is not None:
            self._limit.idle(self)
        return done

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002  # aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # aiohttp's signature
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse. The message is left out, as it may quote a header with a secret."""
        if isinstance(exc, http_exceptions.LineTooLong):
            response = render(RequestHeaderTooLarge())
        elif status < 500:
            response = render(RequestInvalid())
        else:
            response = render_internal()
        response.force_close()
        return response


class AccessLog(AbstractAccessLogger):
    """One line of JSON for each request, written when its response has left.

    ``bytes_in`` counts the body as it was received; ``seconds`` runs from the request's headers to the response's end.
    The query is left out: it can carry nothing worth logging but what a careless client put there.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        line = {
            "time": _now(),
            "logger": "preg.access",
            "request_id": request.get(REQUEST_ID, ""),
            "remote": request.remote,
            "method": request.method,
            "path": request.raw_path.partition("?")[0],
            "status": response.status,
            "bytes_in": request.content.total_bytes,
            "bytes_out": response.content_length if request.method != hdrs.METH_HEAD else 0,
            "seconds": round(time, 6),
            # Bytes that are not UTF-8 come as surrogates, which JSON cannot hold.
            "user_agent": request.headers.get(hdrs.USER_AGENT, "").encode(errors="replace").decode(),
        }
        sys.stderr.buffer.write(msgspec.json.encode(line) + b"\n")
        sys.stderr.buffer.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
