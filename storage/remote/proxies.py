"""Which proxy a server is reached through, as Go's clients read it from the environment.

The rules are those of golang.org/x/net/http/httpproxy, which docker, podman, skopeo, crane and containerd follow: one
setting serves all of them. A value that names no proxy, which Go passes over in silence, is an error here.
"""

import base64
import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from storage.remote.answer import HttpFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PORTS: Final = {"http": 80, "https": 443}

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ProxyInvalid(ValueError):
    """A variable that names no proxy we can use. The message does not show the value, which may hold a password."""


class Proxy(NamedTuple):
    """A proxy. ``authorization`` is the ``Proxy-Authorization`` header that it is shown."""

    scheme: str
    host: str
    port: int
    authorization: str = ""

    def __str__(self) -> str:
        """Return its URL without user and password."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def __repr__(self) -> str:
        """Return the same, for a traceback must not show the password either."""
        return str(self)


class _Direct(NamedTuple):
    """An entry of NO_PROXY: a network, or a name with what ends in ``suffix``; without a port, at any."""

    network: _Network | None = None
    name: str = ""
    suffix: str = ""
    port: str = ""

    def covers(self, host: str, address: _Address | None, port: int) -> bool:
        if self.port not in ("", str(port)):
            return False
        if self.network is not None or address is not None:
            return self.network is not None and address is not None and address in self.network
        return host == self.name or host.endswith(self.suffix)


class Proxies(NamedTuple):
    """The proxies for plain HTTP and for TLS, and the servers that are reached without."""

    http: Proxy | None = None
    https: Proxy | None = None
    direct: tuple[_Direct, ...] = ()
    everything_direct: bool = False
    cgi: bool = False
    """We may be a CGI program, whose HTTP_PROXY can come from a client's header ``Proxy``."""

    @classmethod
    def read(cls, environ: "Mapping[str, str]") -> "Proxies":
        """Read the variables. Raises ProxyInvalid."""
        entries = [entry.strip().lower() for entry in _first(environ, "NO_PROXY")[1].split(",")]
        return cls(
            http=_read_proxy(*_first(environ, "HTTP_PROXY")),
            https=_read_proxy(*_first(environ, "HTTPS_PROXY")),
            direct=tuple(_read_direct(entries)),
            everything_direct="*" in entries,
            cgi=bool(environ.get("REQUEST_METHOD")),
        )

    def choose(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Choose the proxy for a server; None to reach it directly. Raises HttpFault."""
        proxy = self.https if scheme == "https" else self.http
        if proxy is None:
            return None
        if self.cgi and scheme == "http":
            said = "HTTP_PROXY is not to be trusted where REQUEST_METHOD is set, as for CGI: unset one of them"
            raise HttpFault(said, passing=False)
        host, address = host.strip().lower(), _address(host.strip())
        if host == "localhost" or (address is not None and address.is_loopback) or self.everything_direct:
            return None
        if any(entry.covers(_ascii(host), address, port) for entry in self.direct):
            return None
        return proxy


def _first(environ: "Mapping[str, str]", name: str) -> tuple[str, str]:
    """Find the variable, in upper case or lower, that is set and not empty, and its value."""
    return next(((each, environ[each]) for each in (name, name.lower()) if environ.get(each)), (name, ""))


def _read_proxy(name: str, value: str) -> Proxy | None:
    if not value:
        return None
    form = f"{name} is no URL of a proxy: http://[USER:PASSWORD@]HOST[:PORT], https too, other characters as %XX"
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError:
        # Not chained: the cause shows a part of the value.
        raise ProxyInvalid(form) from None
    if parts.scheme.startswith("socks"):
        raise ProxyInvalid(f"{name} names a SOCKS proxy, which is not supported: name one of http:// or https://")
    if parts.scheme not in _PORTS or not parts.hostname or not value.isprintable() or " " in value:
        raise ProxyInvalid(form)
    authorization = ""
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(secret.encode()).decode()
    return Proxy(parts.scheme, parts.hostname, port, authorization)


def _read_direct(entries: list[str]) -> "Iterator[_Direct]":
    """Read the entries of NO_PROXY; like Go, pass over what cannot be one."""
    for entry in entries:
        if network := _network(entry):
            yield _Direct(network)
            continue
        host, port = _split_port(entry)
        if address := _address(host, zone=False):
            yield _Direct(ipaddress.ip_network(address), port=port)
        elif host:
            host = host.removeprefix("*") if host.startswith("*.") else host
            exact = "" if host.startswith(".") else _ascii(host)
            yield _Direct(None, exact, _ascii(host) if not exact else f".{exact}", port)


def _split_port(text: str) -> tuple[str, str]:
    """Part ``HOST:PORT`` or ``[HOST]:PORT``; in anything else all is the host."""
    host, _, port = text.rpartition(":")
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not set("[]").isdisjoint(inner + port) or (":" in inner and inner == host) or ":" not in text:
        return text, ""
    return inner, port


def _address(text: str, *, zone: bool = True) -> _Address | None:
    """Read an IP address; one of IPv4 that is written as IPv6 is what it stands for."""
    if not zone and "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> _Network | None:
    address, slash, length = text.partition("/")
    if not slash or not (length.isascii() and length.isdigit()) or "%" in address:
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.ip_network((mapped, network.prefixlen - 96))
    return network


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
