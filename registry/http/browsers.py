"""What a page in somebody's browser is refused: a registry has no pages, and the browser may reach what its owner may.

A page can send requests to this registry (cross-site requests), and can have its own name lead to this registry's
address (DNS rebinding), so that the browser takes both for one site.
"""

import re
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import hdrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

_SITE: Final = "Sec-Fetch-Site"
ANY_HOST: Final = "*"
#: Requests that change nothing.
SAFE: Final = frozenset({"GET", "HEAD"})
#: Names that nobody can own in the public DNS (RFC 6761, 6762, 8375; ICANN has reserved the second).
_PRIVATE: Final = ("localhost", "internal", "local", "home.arpa", "test")
_PORT: Final = re.compile(r":[0-9]{0,5}\Z")
#: A client can make up names without end.
_REMEMBERED: Final = 1000


class Hosts:
    """The names by which clients know this registry.

    Besides those that are given it answers to addresses, to this host's own name, and to names that can be nobody's in
    the public DNS: those without a dot, as containers have, and those of private networks. Whoever makes a page has one
    of the others. ``*`` stands for all names.
    """

    def __init__(self, names: "Iterable[str]" = ()) -> None:
        own = {name.lower().rstrip(".") for name in (*names, socket.gethostname())}
        self._all = ANY_HOST in own
        self._own = own
        self._known: set[str] = set()

    def include(self, host: str) -> bool:
        """Tell whether the value of a ``Host`` header names us; browsers always send one."""
        if host in self._known or self._all or not host:
            return True
        found = self._judge(_PORT.sub("", host).lower().rstrip("."))
        if found and len(self._known) < _REMEMBERED:
            self._known.add(host)
        return found

    def _judge(self, name: str) -> bool:
        if "." not in name or name in self._own or name.endswith(tuple(f".{each}" for each in _PRIVATE)):
            return True
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def is_foreign(request: "web.BaseRequest") -> bool:
    """Tell whether a page of another site sends a request; clients that are no browsers send neither header."""
    headers = request.headers
    if _SITE in headers and headers[_SITE] not in ("none", "same-origin"):
        return True
    return hdrs.ORIGIN in headers and _authority(headers[hdrs.ORIGIN]) != headers.get(hdrs.HOST, "").lower()


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
