"""Where a request comes from: the client's address behind the proxies, and the URL it knows us by."""

import re
import ssl
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from storage.oci.errors import RequestInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import web

#: No request goes through so many proxies.
_HOPS: Final = 64
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")


class ServerContext(ssl.SSLContext):
    """What some connections are secured with.

    ``authorities`` are those of clients that it was made with, and ``still_trusted`` tells whether all of them are.
    """

    authorities: frozenset[bytes]
    still_trusted: "Callable[[], bool]"


class Proxies:
    """The networks of reverse proxies, which are believed when they say whom they speak for.

    Raises ValueError, which names what is no network.
    """

    def __init__(self, networks: "Iterable[str]" = ()) -> None:
        self._networks = [ip_network(network) for network in networks]

    def client(self, request: "web.BaseRequest") -> str:
        """Give the address a request comes from: the last that no trusted proxy has, of those it went through."""
        address = request.remote or ""
        # From the right, as far as any request goes through proxies: the rest is what a client has made up.
        forwarded = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).rsplit(",", _HOPS)[-_HOPS:]
        while forwarded and self._include(address):
            before = forwarded.pop().strip()
            if not _is_address(before):
                break
            address = before
        return address

    def _include(self, address: str) -> bool:
        return _is_address(address) and any(ip_address(address) in network for network in self._networks)


def base_url(request: "web.BaseRequest") -> str:
    """Give the scheme and host that the client has asked, or has asked a proxy for.

    It is told to nobody but this client, so it need not be proved. Raises RequestInvalid if it is no host.
    """
    scheme = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    if scheme not in ("http", "https"):
        scheme = request.scheme
    if _HOST.match(request.host) is None:
        raise RequestInvalid("the Host header names no host")
    return f"{scheme}://{request.host}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
