"""The token server: Docker's token API by GET, OAuth2 by POST, and the keys that tokens are checked with."""

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qs

import msgspec
from aiohttp import hdrs

from auth.errors import CredentialsRefused
from auth.principal import ANONYMOUS
from registry.http.access import log_refusal
from registry.http.basic import CHALLENGE
from registry.http.errors import Challenged
from registry.http.responses import JSON, REQUEST_ID, document
from registry.http.routes import Route
from storage.oci.errors import RequestInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp import web

    from auth.principal import Principal
    from registry.http.call import Call
    from registry.http.logins import Logins

_LOG: Final = logging.getLogger("preg.auth")
#: A refresh token and the scopes of a thousand repositories fit in.
_FORM: Final = 256 * 1024
_PARAMETERS: Final = 2000
_PATH: Final = "/token"
_JWKS: Final = "/.well-known/jwks.json"

_Parameters = dict[str, list[str]]


class Issued(Protocol):
    """A token that was made."""

    @property
    def token(self) -> str: ...

    @property
    def scope(self) -> str:
        """What it allows, as clients write scopes."""

    @property
    def issued_at(self) -> int:
        """When it was made, in seconds since the epoch."""

    @property
    def expires_in(self) -> int:
        """For how many seconds it is good."""

    @property
    def left_out(self) -> int:
        """How many of the scopes, the first, are not in it, because no more fit."""

    @property
    def malformed(self) -> int:
        """How many scopes were none."""


class Issuer(Protocol):
    """What makes tokens."""

    async def issue(self, principal: "Principal", scopes: "Sequence[str]", /) -> Issued:
        """Make a token for as much of the scopes as the rules allow. Raises CredentialsRefused."""

    async def jwks(self) -> bytes:
        """Give the public keys, as a JWK Set."""


class RefreshTokens(Protocol):
    """What lets clients get tokens for months without a password."""

    async def issue(self, principal: "Principal", /) -> str | None:
        """Make one, if this is somebody who can have one."""

    async def principal(self, token: str, /) -> "Principal":
        """Give whose it is. Raises CredentialsRefused."""


class TokenServer:
    """Gives tokens to whoever asks, anonymously also: what a token allows is up to who it is made for."""

    def __init__(self, logins: "Logins", issuer: Issuer, refresh_tokens: RefreshTokens) -> None:
        self._logins = logins
        self._issuer = issuer
        self._refresh_tokens = refresh_tokens

    @property
    def resources(self) -> "Mapping[str, dict[str, Route]]":
        """What is served besides the registry, by path. Who asks need not be admitted: here is where that begins."""
        return {
            _PATH: {"GET": Route(self.get, None), "POST": Route(self.post, None)},
            _JWKS: {"GET": Route(self.jwks, None)},
        }

    async def get(self, call: "Call") -> "web.StreamResponse":
        """Give a token for the Basic credentials of the request, or an anonymous one."""
        given = _parse(call.request.raw_path.partition("?")[2])
        try:
            principal = await self._logins.sender(call.request)
        except CredentialsRefused as fault:
            raise _refused(call, fault) from None
        refresh = None
        if _first(given, "offline_token") == "true" and principal is not ANONYMOUS:
            refresh = await self._refresh_tokens.issue(principal)
        return _answer(await self._issue(call, principal, given), refresh)

    async def post(self, call: "Call") -> "web.StreamResponse":
        """Give a token for what stands in the form (RFC 6749, sections 4.3 and 6)."""
        form = await call.whole_body(_FORM, RequestInvalid(f"the form is longer than {_FORM} bytes"))
        try:
            given = _parse(form.decode())
        except UnicodeDecodeError:
            raise RequestInvalid("the form is not text") from None
        try:
            principal, refresh = await self._grant(call, given)
        except CredentialsRefused as fault:
            raise _refused(call, fault) from None
        issued = await self._issue(call, principal, given)
        return _answer(issued, refresh, issued.scope)

    async def jwks(self, _call: "Call") -> "web.StreamResponse":
        """Publish the keys (RFC 7517)."""
        return document(await self._issuer.jwks(), JSON, {hdrs.CACHE_CONTROL: "max-age=300"})

    async def _issue(self, call: "Call", principal: "Principal", given: _Parameters) -> Issued:
        try:
            issued = await self._issuer.issue(principal, _scopes(given))
        except CredentialsRefused as fault:
            raise _refused(call, fault) from None
        for shortage in _shortages(issued):
            who = principal.name or "anonymous"
            _LOG.warning("a token for %s: %s", who, shortage, extra={"request_id": call.request[REQUEST_ID]})
        return issued

    async def _grant(self, call: "Call", given: _Parameters) -> "tuple[Principal, str | None]":
        """Say who asks, and give the refresh token if he wants one."""
        kind, offline = _first(given, "grant_type"), _first(given, "access_type") == "offline"
        if kind == "refresh_token":
            token = _first(given, "refresh_token")
            return await self._refresh_tokens.principal(token), token if offline else None
        if kind == "password":
            principal = await self._logins.check(call.request, _first(given, "username"), _first(given, "password"))
            return principal, await self._refresh_tokens.issue(principal) if offline else None
        raise RequestInvalid("the grant_type is neither refresh_token nor password")


def _parse(text: str) -> _Parameters:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_PARAMETERS)
    except ValueError:
        raise RequestInvalid(f"there are more than {_PARAMETERS} parameters") from None


def _first(given: _Parameters, name: str) -> str:
    return given.get(name, [""])[0]


def _scopes(given: _Parameters) -> "list[str]":
    """Give the scopes, which clients repeat, join by spaces, or both."""
    return " ".join(given.get("scope", [])).split()


def _shortages(issued: Issued) -> "list[str]":
    """Say what of the scopes is not in a token, but for what the rules do not allow."""
    said = []
    if issued.left_out:
        said.append(f"the first {issued.left_out} scopes are left out, as no more fit into a header")
    if issued.malformed:
        said.append(f"{issued.malformed} scopes are malformed and passed over")
    return said


def _answer(issued: Issued, refresh_token: str | None, scope: str | None = None) -> "web.Response":
    when = datetime.fromtimestamp(issued.issued_at, UTC)
    fields = {
        "token": issued.token,
        "access_token": issued.token,
        "expires_in": issued.expires_in,
        "issued_at": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "refresh_token": refresh_token,
        "scope": scope,
    }
    body = msgspec.json.encode({name: value for name, value in fields.items() if value is not None})
    headers: dict[str, str] = {hdrs.CACHE_CONTROL: "no-store"}
    if said := _shortages(issued):
        # As the distribution specification writes warnings ("Warnings").
        headers[hdrs.WARNING] = ", ".join(f'299 - "{shortage}"' for shortage in said)
    return document(body, JSON, headers)


def _refused(call: "Call", fault: CredentialsRefused) -> Challenged:
    log_refusal(call, None, "a token", str(fault))
    return Challenged("the user name, the password or the token is wrong", CHALLENGE)
