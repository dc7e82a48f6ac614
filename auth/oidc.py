"""Workloads that log in with a token of their platform: GitHub Actions, GitLab, Kubernetes (OpenID Connect)."""

import json
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from auth import jws
from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.issuer import Fetch, IssuerTrust, Keys, RemoteKeys, check_url, open_keys
from auth.policy import matches
from auth.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_DISCOVERY: Final = "/.well-known/openid-configuration"


class ClaimRule(NamedTuple):
    """Whom a token speaks for: the principal ``oidc:PRINCIPAL``, if each claim named matches its glob.

    Globs are those of policies. Of a claim with several values one has to match.
    """

    claims: "Mapping[str, str]"
    principal: str
    groups: tuple[str, ...] = ()

    def covers(self, payload: dict[str, Any]) -> bool:
        """Tell whether a token's claims match."""
        return bool(self.claims) and all(
            any(matches((glob,), text) for text in _texts(payload.get(claim))) for claim, glob in self.claims.items()
        )


class Provider(NamedTuple):
    """An issuer whose tokens are taken, if they are made for our ``audience``; the first rule that covers one holds."""

    name: str
    parties: jws.Parties
    keys: Keys
    rules: tuple[ClaimRule, ...]


class Workloads:
    """Gives the principals of workloads by their tokens."""

    def __init__(self, providers: "Iterable[Provider]", *, now: "Callable[[], float]" = time.time) -> None:
        self._providers: dict[str, list[Provider]] = {}
        for provider in providers:
            self._providers.setdefault(provider.parties.issuer, []).append(provider)
        self._now = now

    async def principal(self, token: str, /) -> Principal | None:
        """Give whom a token speaks for; None where it is no token, or of no issuer that we take tokens of.

        Raises CredentialsRefused and AuthUnavailable.
        """
        try:
            parsed = jws.parse(token)
            payload = parsed.payload()
        except CredentialsRefused:
            return None  # a password may look like a token
        issuer = payload.get("iss")
        providers = self._providers.get(issuer, []) if isinstance(issuer, str) else []
        if not providers:
            return None
        provider = _for_audience(providers, payload)
        trust = IssuerTrust(None, provider.keys)
        await jws.verify(parsed, trust, jws.Claims, provider.parties, self._now())
        for rule in provider.rules:
            if rule.covers(payload):
                return Principal(f"oidc:{rule.principal}", frozenset(rule.groups))
        raise CredentialsRefused(f"no rule of the issuer {provider.name} covers the token's claims")


def open_provider(
    name: str, parties: jws.Parties, rules: "Iterable[ClaimRule]", *, jwks: str, fetch: Fetch
) -> Provider:
    """Take tokens of an issuer, with its keys from a file or a URL, or where it says. Raises AuthMisconfigured."""
    if jwks:
        keys = open_keys(jwks, fetch)
    else:
        check_url(parties.issuer)
        keys = RemoteKeys(parties.issuer, lambda: _discover(parties.issuer, fetch))
    return Provider(name, parties, keys, tuple(rules))


async def _discover(issuer: str, fetch: Fetch) -> bytes:
    """Fetch the keys from where the issuer's configuration says they are (OpenID Connect Discovery, section 4)."""
    try:
        configuration = json.loads(await fetch(issuer.rstrip("/") + _DISCOVERY))
        claimed, keys = configuration["issuer"], configuration["jwks_uri"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise AuthUnavailable(f"{issuer}{_DISCOVERY} is no configuration of an issuer") from None
    if claimed != issuer:
        raise AuthUnavailable(f"{issuer}{_DISCOVERY} is the configuration of another issuer, {claimed!r}")
    try:
        check_url(str(keys))
    except AuthMisconfigured as error:
        raise AuthUnavailable(f"{issuer}{_DISCOVERY}: {error}") from error
    return await fetch(str(keys))


def _for_audience(providers: list[Provider], payload: dict[str, Any]) -> Provider:
    """Choose the provider a token is for; the first one will refuse it where it is for none."""
    given = payload.get("aud")
    audiences = given if isinstance(given, list) else [given]
    return next((each for each in providers if each.parties.audience in audiences), providers[0])


def _texts(value: Any) -> list[str]:
    """Give the values of a claim as rules write them."""
    if isinstance(value, list):
        return [text for each in value if not isinstance(each, list) for text in _texts(each)]
    if isinstance(value, bool | int):
        return [json.dumps(value)]
    return [value] if isinstance(value, str) else []
