"""Where a registry is, and how it is spoken to."""

from typing import TYPE_CHECKING, Final

from storage.remote.address import host_of, is_loopback
from storage.remote.credentials import DOCKER_HUB
from storage.remote.proxies import Proxies
from storage.remote.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Mapping

_HUB_HOST: Final = "registry-1.docker.io"


class Endpoint:
    """A registry, or a mirror of one, that is known by the name people type: HOST[:PORT]."""

    def __init__(self, registry: str, schemes: tuple[str, ...]) -> None:
        self.registry = registry
        self.schemes = schemes
        """https, http, or both: then the first that works there."""
        self.settled = ""
        """Which of several was found to work."""
        self.where = ""
        """HOST[:PORT] to connect to, if that is not its name."""
        self.path = "/v2"
        """Where its API begins."""
        self.plain_tokens = False
        """Credentials may go to its token server without TLS, even where that is another host."""
        self.headers: Mapping[str, str] = {}
        """What every request to it carries."""
        self.namespace = ""
        """The registry that a mirror is asked for, if it wants to be told."""
        self.tls = Tls()
        self.proxies = Proxies()

    @classmethod
    def of(cls, registry: str) -> "Endpoint":
        """Describe a registry of which nothing else is known: TLS is used, but on this host, as Docker does."""
        schemes, verify = choose_schemes(insecure=is_loopback(registry))
        own = "" if verify else host_of(registry)
        endpoint = cls(registry, schemes)
        endpoint.tls = Tls(is_insecure=lambda server: host_of(server) == own)
        return endpoint

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
