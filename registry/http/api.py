"""What happens to every request: it is routed, answered, and its faults are rendered."""

import errno
import itertools
import logging
import re
import secrets
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote, urlsplit

from aiohttp import hdrs, web

from auth.errors import AuthError, TooManyFailures
from registry.http import routes
from registry.http.access import FOREIGN, Access, OpenAccess
from registry.http.browsers import SAFE, is_foreign
from registry.http.call import NOWHERE, Call
from registry.http.errors import from_auth, from_storage, render, render_internal
from registry.http.redirects import NO_REDIRECTS, Redirects
from registry.http.responses import LAST, REQUEST_ID, REQUEST_ID_HEADER, empty, is_gone
from registry.http.sightings import Sightings
from storage.errors import StorageError
from storage.oci.errors import Denied, RegistryError, RequestInvalid, RequestTimeout, Unauthorized, Unavailable
from storage.oci.reference import parse_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from storage.repository import Namespace

    _Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_Response = TypeVar("_Response", bound=web.StreamResponse)

_LOG: Final = logging.getLogger("preg.http")
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
#: What nginx calls a request whose client went away before it was answered.
_CLIENT_GONE: Final = 499
#: So many bytes of a refused request's body are read and forgotten, so that the connection can go on.
_PASSED_OVER: Final = 64 * 1024


class Api:
    """The handler of all requests to a registry; ``registry.http.routes`` says what it serves.

    ``beside`` has resources that lie outside of ``/v2/``, by path.
    """

    def __init__(
        self,
        namespace: "Namespace",
        redirects: Redirects = NO_REDIRECTS,
        access: Access | None = None,
        beside: "Mapping[str, dict[str, routes.Route]] | None" = None,
    ) -> None:
        self.namespace = namespace
        self.redirects = redirects
        self.access = access or OpenAccess()
        self.sightings = Sightings()
        self._beside = beside or {}
        prefix = secrets.token_hex(4)
        self._ids = (f"{prefix}-{number:x}" for number in itertools.count())

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        return await self._respond(request, self._answer)

    async def refuse(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request on a connection more than can be served."""
        return _closing(await self._respond(request, _refuse))

    async def _respond(self, request: web.BaseRequest, answer: "_Handler") -> web.StreamResponse:
        """Answer or render; the proxy's request id is kept, so that its log and ours can be laid side by side."""
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request[REQUEST_ID] = given if _GOOD_ID.match(given) else next(self._ids)
        try:
            response = await answer(request)
        except Exception as error:  # noqa: BLE001  # the one place that turns every fault into a response
            response = _render(request, error)
            if request.writer.output_size and request.transport is not None:
                # A missing end is the one thing that clients notice of a response that cannot be finished. The other
                # is for the log alone.
                request.transport.abort()
        if not response.prepared:
            if is_gone(request):
                response = _closing(empty(_CLIENT_GONE, {}))
            response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if not path.startswith("/"):
            # The absolute form, which a server must accept (RFC 9112, section 3.2.2).
            path = urlsplit(path).path
        if "%" in path:
            path = unquote(path)
        beside = self._beside.get(path)
        resource, name, argument = (beside, None, "") if beside else routes.find(path)
        route = routes.choose(resource, request.method)
        if request.method not in SAFE and is_foreign(request):
            # A browser sends along a password or a certificate that it was given for another page.
            raise Denied(FOREIGN)
        # What is decided on and what is then acted on is this one name, decoded once and checked.
        call = Call(request, self, path, NOWHERE if name is None else parse_name(name), argument)
        if route.action is not None:
            call.caller = await self.access.admit(call, route.action)
        return await route.handler(call)


async def _refuse(_request: web.BaseRequest) -> web.StreamResponse:
    raise Unavailable("the registry has as many connections as it can serve: try again in a moment")


def _render(request: web.BaseRequest, error: Exception) -> web.Response:
    match error:
        case Unauthorized() | Denied():
            return _refusal(request, error)
        case RequestTimeout():
            return _closing(render(error))
        case RegistryError():
            return render(error)
        case AuthError():
            if not isinstance(error, TooManyFailures):
                _log(request, error)
            return _refusal(request, from_auth(error))
        case StorageError():
            _log(request, error)
            return render(from_storage(error))
        case ConnectionError() | TimeoutError(errno=errno.ETIMEDOUT):
            return _closing(empty(_CLIENT_GONE, {}))
        case web.RequestPayloadError():
            return _closing(render(RequestInvalid("the body's transfer encoding is broken")))
        case _:
            _log(request, error, traceback=True)
            return render_internal()


def _refusal(request: web.BaseRequest, fault: RegistryError) -> web.Response:
    """Answer who is not let in, and close the connection if it would take long to get past what else comes on it."""
    response = render(fault)
    length = request.content_length
    if request.get(LAST):
        response.force_close()
    if not request.content.is_eof() and (length is None or length > _PASSED_OVER or hdrs.EXPECT in request.headers):
        response.force_close()
    return response


def _closing(response: _Response) -> _Response:
    response.force_close()
    return response


def _log(request: web.BaseRequest, error: Exception, *, traceback: bool = False) -> None:
    _LOG.error(
        "%s %s failed: %s",
        request.method,
        request.raw_path.partition("?")[0],
        error,
        exc_info=error if traceback else None,
        extra={"request_id": request[REQUEST_ID]},
    )
