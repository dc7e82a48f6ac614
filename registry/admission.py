"""Who is let in: settings become the ``Access`` of the API, with what it needs."""

from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from auth.policy import DEFAULT, Policy
from auth.watched import Watched
from registry.config import ConfigError
from registry.http.access import Access, OpenAccess, RuleBook
from registry.http.basic import BasicAccess
from registry.http.bearer import BearerAccess, Service
from registry.http.browsers import ANY_HOST, Hosts
from registry.http.logins import Logins
from registry.http.peers import Proxies
from registry.http.token import TokenServer
from registry.state import open_state

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from auth.credentials import Credentials
    from auth.principal import Principal
    from auth.refresh import RefreshTokens
    from auth.state import State
    from registry.config import Config, Oidc, Token
    from registry.http.routes import Route
    from storage.guard import Guard


class Admission(NamedTuple):
    """What decides on requests, the resources beside the registry's that this needs, by path, and what grows old."""

    access: Access
    beside: "Mapping[str, dict[str, Route]]" = MappingProxyType({})
    refresh_tokens: "RefreshTokens | None" = None


class _Unchanging:
    """The rules that hold where no file has others."""

    value: Final = DEFAULT

    async def current(self) -> Policy:
        return self.value


async def open_admission(config: "Config", store: "Guard") -> Admission:
    """Make what decides on requests. Raises AuthMisconfigured, AuthUnavailable and ConfigError."""
    auth, token = config.auth, config.token
    if auth.mode == "none":
        return Admission(OpenAccess(_hosts(config)))
    if auth.mode == "token" and token.external:
        return _open_external(token)
    rules = Watched(Path(auth.policy), Policy.read) if auth.policy else _Unchanging()
    state = open_state(store)
    credentials = _open_credentials(config, state)
    logins = Logins(credentials, _proxies(auth.trusted_proxies))
    if auth.mode == "htpasswd":
        return Admission(BasicAccess(logins, rules))
    return await _open_own(token, state, credentials, logins, rules)


def _hosts(config: "Config") -> Hosts:
    """Say by which names clients know us. With TLS the certificate says so, and browsers check it."""
    if config.tls.certificate:
        return Hosts([ANY_HOST])
    return Hosts([*config.server.hosts, config.server.listen.rpartition(":")[0]])


def is_open_to_all(config: "Config") -> bool:
    """Tell whether other hosts may do everything, which nobody wants who does not know it."""
    host = config.server.listen.rpartition(":")[0].strip("[]")
    return config.auth.mode == "none" and not _is_loopback(host)


def _open_external(token: "Token") -> Admission:
    """Let in who has a token of another issuer."""
    from auth.issuer import open_trust  # noqa: PLC0415 - only tokens need cryptography, and it is slow to load
    from auth.jws import Parties  # noqa: PLC0415
    from auth.tokens import Tokens  # noqa: PLC0415
    from registry.fetch import fetch  # noqa: PLC0415

    tokens = Tokens(open_trust(token.rootcertbundle, token.jwks, fetch), Parties(token.issuer, token.service))
    return Admission(BearerAccess(tokens, Service(token.service, token.realm), None))


async def _open_own(
    token: "Token", state: "State", credentials: "Credentials", logins: Logins, rules: RuleBook
) -> Admission:
    """Issue tokens, and let in who has one."""
    from auth.jws import Parties  # noqa: PLC0415 - as above
    from auth.owners import TokenOwners  # noqa: PLC0415
    from auth.refresh import RefreshTokens  # noqa: PLC0415
    from auth.signing import SigningKeys  # noqa: PLC0415
    from auth.token_issuer import TokenIssuer  # noqa: PLC0415
    from auth.tokens import Authority, Tokens  # noqa: PLC0415

    keys = SigningKeys(state, token.algorithm, token.rotate_every)
    # A store that cannot keep keys is noticed here, and not at the first login.
    await keys.current()
    # Good for as long as they say, to the second, as what they say is ours.
    parties = Parties(token.issuer, token.service, overtime=0)
    refresh_tokens = RefreshTokens(state, credentials.account, token.refresh_lifetime)
    authority = Authority(keys, rules, TokenOwners(credentials.account))
    server = TokenServer(logins, TokenIssuer(authority, parties, token.lifetime), refresh_tokens)
    access = BearerAccess(Tokens(keys, parties, authority=authority), Service(token.service, token.realm), rules)
    return Admission(access, server.resources, refresh_tokens)


def _open_credentials(config: "Config", state: "State") -> "Credentials":
    from auth.credentials import Credentials  # noqa: PLC0415 - nobody logs in where the mode is none
    from auth.keys import ApiKeys  # noqa: PLC0415
    from auth.plugins import open_directory  # noqa: PLC0415
    from auth.throttle import Throttle  # noqa: PLC0415

    oidc = _open_oidc(config.oidc) if config.oidc else None
    return Credentials(open_directory(config.auth.users), ApiKeys(state), Throttle(), oidc=oidc)


def _open_oidc(issuers: "tuple[Oidc, ...]") -> "Callable[[str], Awaitable[Principal | None]]":
    from auth.jws import Parties  # noqa: PLC0415 - as above
    from auth.oidc import ClaimRule, Workloads, open_provider  # noqa: PLC0415
    from registry.fetch import fetch  # noqa: PLC0415

    providers = [
        open_provider(
            issuer.name,
            Parties(issuer.issuer, issuer.audience),
            [ClaimRule(rule.claims, rule.principal, rule.groups) for rule in issuer.rules],
            jwks=issuer.jwks,
            fetch=fetch,
        )
        for issuer in issuers
    ]
    return Workloads(providers).principal


def _proxies(networks: tuple[str, ...]) -> Proxies:
    try:
        return Proxies(networks)
    except ValueError as error:
        raise ConfigError(f"the configuration is wrong: {error} - at `$.auth.trusted_proxies`") from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
