"""New connections to servers: straight or through a proxy, with TLS or without."""

import asyncio
import ssl
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from storage.remote.answer import HttpFault
from storage.remote.connection import Connection, Request
from storage.remote.faults import NotTls, Refused, connecting, tls_fault
from storage.remote.proxies import Proxies, Proxy
from storage.remote.tls import Tls

#: Seconds until there is a connection, and until there is TLS over it.
_CONNECT: Final = 15
_HANDSHAKE: Final = 15
#: The latter where a server may do without TLS: it can wait for more of what it takes for a request.
_UNSURE: Final = 3
#: Seconds after which the next of a host's addresses is tried beside the first (RFC 8305).
_NEXT_ADDRESS: Final = 0.25


class Origin(NamedTuple):
    """Who serves a URL: credentials are for one of these."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Give who serves a URL. Raises ValueError if it is none of HTTP."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL of HTTP")
        default = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, parts.hostname, default if parts.port is None else parts.port)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def name(self) -> str:
        """HOST[:PORT], without the port that the scheme stands for."""
        usual = 443 if self.scheme == "https" else 80
        return self.address.removesuffix(f":{usual}")


class Connector:
    """Opens connections."""

    def __init__(self, tls: Tls, proxies: Proxies) -> None:
        self._tls = tls
        self._proxies = proxies
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def connect(self, origin: Origin, *, unsure: bool = False) -> Connection:
        """Connect to a server, which if we are ``unsure`` may not speak TLS. Raises HttpFault, and RegistryError."""
        proxy = self._proxies.choose(*origin)
        connection = await _open(origin) if proxy is None else await self._open_proxy(proxy)
        if origin.scheme == "http":
            connection.proxy = proxy
            return connection
        try:
            if proxy is not None:
                await _tunnel(connection, proxy, origin)
            await self._secure(connection, origin, _UNSURE if unsure else _HANDSHAKE)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _open_proxy(self, proxy: Proxy) -> Connection:
        where = Origin(proxy.scheme, proxy.host, proxy.port)
        try:
            connection = await _open(where)
            if proxy.scheme == "https":
                asyncio.get_running_loop().set_exception_handler(_pass_over)
                await self._secure(connection, where, _HANDSHAKE)
        except HttpFault as fault:
            raise HttpFault(f"the proxy {proxy}: {fault}", passing=False) from fault
        return connection

    async def _secure(self, connection: Connection, origin: Origin, seconds: int) -> None:
        verify = not self._tls.is_insecure(origin.name)
        context = self._contexts.get(verify)
        if context is None:
            context = self._contexts[verify] = self._tls.context(verify=verify)
        explain = partial(tls_fault, address=origin.address, tls=self._tls)
        try:
            async with asyncio.timeout(seconds):
                await connection.start_tls(context, origin.host, explain)
        except TimeoutError as error:
            raise NotTls(f"{origin.address} has not answered to TLS for {seconds} seconds", passing=False) from error
        except (OSError, TypeError) as error:
            cause = _cause(error)
            if isinstance(cause, ssl.SSLError):
                raise explain(cause) from error
            raise NotTls(f"{origin.address} closed the connection when TLS began", passing=False) from error


def _cause(error: OSError | TypeError) -> OSError:
    """Find why TLS failed: within TLS, CPython before 3.11.8 and 3.12.2 stumbles over the reason (gh-113214)."""
    if isinstance(error, OSError):
        return error
    if isinstance(error.__context__, OSError):
        return error.__context__
    raise error


def _pass_over(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep asyncio from printing what ``_cause`` has dealt with."""
    if not isinstance(context.get("exception"), TypeError):
        loop.default_exception_handler(context)


async def _open(origin: Origin) -> Connection:
    with connecting(origin.address, origin.host):
        async with asyncio.timeout(_CONNECT):
            opening = asyncio.get_running_loop().create_connection(
                Connection, origin.host, origin.port, happy_eyeballs_delay=_NEXT_ADDRESS
            )
            return (await opening)[1]


async def _tunnel(connection: Connection, proxy: Proxy, origin: Origin) -> None:
    """Have a proxy connect us to a server (RFC 9110, section 9.3.6)."""
    headers = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    answer = await connection.exchange(Request("CONNECT", f"https://{origin.address}", headers, None, origin.address))
    if not 200 <= answer.status < 300:
        raise refusal(proxy, answer.status, origin.address)
    connection.forget()


def wants_login(status: int, *, challenged: bool = False) -> bool:
    """Tell whether a proxy wants another login; tinyproxy says so like a server, but for the challenge."""
    return status == 407 or (status == 401 and not challenged)


def refusal(proxy: Proxy, status: int, address: str) -> HttpFault:
    """Say that a proxy does not pass on what is for a server."""
    if wants_login(status):
        wants = "refuses the user and password" if proxy.authorization else "asks for a user and password"
        cure = f"write {proxy.scheme}://USER:PASSWORD@{str(proxy).partition('://')[2]}, special characters as %XX"
        return HttpFault(f"the proxy {proxy} {wants}: {cure}", passing=False)
    # It says so, too, where nothing listens.
    kind = Refused if status >= 500 else HttpFault
    return kind(f"the proxy {proxy} gives no connection to {address}: HTTP status {status}", passing=False)
