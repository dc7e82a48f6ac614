"""Who sends a request, by the name and password in it or by the client's certificate."""

import base64
import binascii
import ssl
import time
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import hdrs

from auth.errors import CredentialsRefused
from auth.principal import ANONYMOUS, Principal
from registry.http.peers import ServerContext
from registry.http.responses import LAST

if TYPE_CHECKING:
    from aiohttp import web

    from registry.http.peers import Proxies

_COMMON_NAME: Final = "commonName"


class Passwords(Protocol):
    """What ``auth.credentials.Credentials`` does."""

    async def principal(self, user: str, password: str, address: str, /) -> Principal:
        """Give who comes with these. Raises CredentialsRefused, TooManyFailures and AuthUnavailable."""


class Logins:
    """Checks the credentials that people and machines have, in whichever place of a request they stand."""

    def __init__(self, passwords: Passwords, proxies: "Proxies") -> None:
        self._passwords = passwords
        self._proxies = proxies

    async def sender(self, request: "web.BaseRequest") -> Principal:
        """Give who sends a request; who shows no credentials is anonymous.

        Raises CredentialsRefused, TooManyFailures and AuthUnavailable.
        """
        given = authorization(request)
        if given is None:
            return certified(request) or ANONYMOUS
        user, password = _parse_basic(given)
        # The conformance suite sends empty ones where it has none.
        return await self.check(request, user, password) if user or password else ANONYMOUS

    async def check(self, request: "web.BaseRequest", user: str, password: str) -> Principal:
        """Give who has this name and this password. Raises as ``sender`` does."""
        if not (user + password).isprintable():
            raise CredentialsRefused("there is a control character in the credentials")
        return await self._passwords.principal(user, password, self._proxies.client(request))


def authorization(request: "web.BaseRequest") -> str | None:
    """Give the header with credentials. Raises CredentialsRefused if there are two, of which a proxy saw another."""
    given = request.headers.getall(hdrs.AUTHORIZATION, ())
    if len(given) > 1:
        raise CredentialsRefused("there are two Authorization headers")
    return given[0] if given else None


def certified(request: "web.BaseRequest") -> Principal | None:
    """Give whom a client's certificate names, if it shows one. Raises CredentialsRefused if it holds no more.

    TLS has verified it, but when the connection began, and that may be long ago.
    """
    shown = request.transport.get_extra_info("peercert") if request.transport else None
    if not request.transport or not shown:
        return None
    context = request.transport.get_extra_info("ssl_object").context
    withdrawn = isinstance(context, ServerContext) and not context.still_trusted()
    if withdrawn or ssl.cert_time_to_seconds(shown["notAfter"]) < time.time():
        # With the next connection the client may show another.
        request[LAST] = True
        why = "its authority is not trusted any more" if withdrawn else "it has expired"
        raise CredentialsRefused(f"the client's certificate was right when it connected, and {why}")
    for part in shown["subject"]:
        for kind, name in part:
            if kind == _COMMON_NAME and name:
                return Principal(f"cert:{name}")
    return None


def _parse_basic(header: str) -> tuple[str, str]:
    """Read a name and a password (RFC 7617). Raises CredentialsRefused."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        raise CredentialsRefused("the Authorization header is not of the scheme Basic")
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise CredentialsRefused("the Basic credentials are malformed") from None
    if not colon:
        raise CredentialsRefused("the Basic credentials have no colon")
    return user, password
