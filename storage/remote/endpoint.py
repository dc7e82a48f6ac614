"""Where a registry is, and how it is spoken to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from storage.remote.address import host_of, is_loopback
from storage.remote.credentials import DOCKER_HUB
from storage.remote.proxies import Proxies
from storage.remote.tls import Tls

_HUB_HOST: Final = "registry-1.docker.io"


@dataclass
class Endpoint:
    """A registry, or a mirror of one, that is known by the name people type: HOST[:PORT]."""

    registry: str
    schemes: tuple[str, ...]
    """https, http, or both: then the first that works there."""
    settled: str = ""
    """Which of several was found to work."""
    where: str = ""
    """HOST[:PORT] to connect to, if that is not its name."""
    path: str = "/v2"
    """Where its API begins."""
    plain_tokens: bool = False
    """Credentials may go to its token server without TLS, even where that is another host."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What every request to it carries."""
    namespace: str = ""
    """The registry that a mirror is asked for, if it wants to be told."""
    tls: Tls = field(default_factory=Tls)
    proxies: Proxies = field(default_factory=Proxies)

    @classmethod
    def of(cls, registry: str) -> "Endpoint":
        """Describe a registry of which nothing else is known: TLS is used, but on this host, as Docker does."""
        schemes, verify = choose_schemes(insecure=is_loopback(registry))
        own = "" if verify else host_of(registry)
        return cls(registry, schemes, tls=Tls(is_insecure=lambda server: host_of(server) == own))

    @property
    def scheme(self) -> str:
        """The one that works; none as long as that is not known."""
        return self.schemes[0] if len(self.schemes) == 1 else self.settled

    @property
    def host(self) -> str:
        """HOST[:PORT] where it is."""
        return self.where or (_HUB_HOST if self.registry == DOCKER_HUB else self.registry)

    @property
    def root(self) -> str:
        """The URL that its API begins with. The scheme is known by then."""
        return f"{self.scheme}://{self.host}{self.path}/"


def choose_schemes(
    *, insecure: bool, plain_http: bool | None = None, tls_verify: bool | None = None
) -> tuple[tuple[str, ...], bool]:
    """Choose how to speak to a registry, and whether its certificate is checked.

    ``plain_http`` and ``tls_verify`` are what a person has asked for. Otherwise an insecure registry is believed
    whatever it shows, and spoken to without TLS if it has none.
    """
    if plain_http:
        return ("http",), True
    if plain_http is None and tls_verify is None and insecure:
        return ("https", "http"), False
    if tls_verify is False and plain_http is None:
        return ("https", "http"), False
    return ("https",), tls_verify is not False
