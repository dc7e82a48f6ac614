"""Answers to challenges (distribution, "Token Authentication Specification", "OAuth2 Token Authentication")."""

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from storage.oci.errors import Unauthorized, Unavailable
from storage.oci.headers import Challenge, parse_challenge
from storage.oci.wire import decode_error
from storage.remote.answer import HttpFault
from storage.remote.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from storage.remote.http import Http, Response

#: A token is renewed so many seconds before it expires: a request under way must not outlive it.
_RENEW_BEFORE: Final = 30
#: The life of a token whose server does not tell, in seconds.
_DEFAULT_LIFE: Final = 60
_ANSWER_LIMIT: Final = 1024 * 1024
_CLIENT: Final = ("client_id", "preg")
#: What a token server says that wants its tokens to be asked for by POST.
_NO_GET: Final = frozenset({404, 405, 501})


class _Answer(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: float | None = None
    refresh_token: str = ""


class _Token(NamedTuple):
    header: str
    expires: float


class Authenticator:
    """Shows a registry who we are, as ``credentials`` say.

    ``trusts`` tells whether a token server may be shown the credentials. With ``log_in`` an identity token is asked
    for, and takes the place of the password in ``credentials``.
    """

    def __init__(
        self,
        http: "Http",
        credentials: Credentials | None,
        trusts: "Callable[[str], bool]",
        *,
        log_in: bool = False,
    ) -> None:
        self.credentials = credentials
        self._http = http
        self._trusts = trusts
        self._log_in = log_in
        self._challenge: Challenge | None = None
        self._tokens: dict[str, _Token] = {}
        self._lock = asyncio.Lock()

    @property
    def cure(self) -> str:
        """What a person can do if we were refused."""
        if self.credentials is None:
            return "log in with preg login"
        if self.credentials.identity_token:
            return "the login has expired or was revoked: run preg login again"
        return "user or password are no longer right: run preg login again"

    async def header(self, scopes: tuple[str, ...]) -> str | None:
        """Give the ``Authorization`` for requests of these scopes, as far as the registry has asked for one.

        Raises Unauthorized if the token server refuses.
        """
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            return self.credentials.basic if self.credentials else None
        key = " ".join(scopes)
        async with self._lock:
            token = self._tokens.get(key)
            if token is None or token.expires < time.monotonic():
                token = self._tokens[key] = await self._fetch(self._challenge.parameters, scopes)
            return token.header

    def learn(self, challenges: "Iterable[str]", scopes: tuple[str, ...], shown: str | None) -> bool:
        """Take in the ``WWW-Authenticate`` lines of a 401 to a request that had shown such an ``Authorization``.

        False if another try cannot end better.
        """
        read = [challenge for line in challenges if (challenge := parse_challenge(line)) is not None]
        by_scheme = {challenge.scheme: challenge for challenge in reversed(read)}
        chosen = by_scheme.get("bearer") or by_scheme.get("basic")
        if chosen is None or (chosen.scheme == "basic" and self.credentials is None):
            return False
        self._challenge = chosen
        # Of requests that run at once, one may have brought a newer token already.
        key = " ".join(scopes)
        if key in self._tokens and self._tokens[key].header == shown:
            del self._tokens[key]
        if shown is None or not shown.lower().startswith(chosen.scheme):
            return True
        return chosen.scheme == "bearer" and not lacks_rights(chosen)

    async def _fetch(self, parameters: dict[str, str], scopes: tuple[str, ...]) -> _Token:
        realm = parameters.get("realm", "")
        try:
            trusted = self._trusts(realm)
        except ValueError:
            trusted = False
        if not trusted:
            raise Unauthorized(f"the registry sends us for a token to {realm!r}, which is not https")
        try:
            response = await self._ask(realm, parameters.get("service", ""), scopes)
            try:
                body, status = await response.read(_ANSWER_LIMIT), response.status
            finally:
                response.release()
        except (HttpFault, ValueError) as error:
            raise Unavailable(f"the token server {realm} cannot be reached: {error}") from error
        if status != 200:
            fault = decode_error(status, body)
            passing = status >= 500 or status == 429
            raise (type(fault) if passing else Unauthorized)(f"the token server {realm} refused: {fault}")
        try:
            answer = msgspec.json.decode(body, type=_Answer, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Unauthorized(f"the token server {realm} gave no token: {error}") from error
        return self._take(answer, realm)

    def _take(self, answer: _Answer, realm: str) -> _Token:
        token = answer.token or answer.access_token
        if not token:
            raise Unauthorized(f"the token server {realm} gave no token")
        if self._log_in and self.credentials and answer.refresh_token:
            self.credentials = Credentials(self.credentials.user, "", answer.refresh_token)
        life = max(answer.expires_in or 0, _DEFAULT_LIFE) - _RENEW_BEFORE
        return _Token(f"Bearer {token}", time.monotonic() + life)

    async def _ask(self, realm: str, service: str, scopes: tuple[str, ...]) -> "Response":
        held = self.credentials
        if held is not None and held.identity_token:
            grant = {"grant_type": "refresh_token", "refresh_token": held.identity_token}
            return await self._post(realm, service, scopes, grant)
        query = [_CLIENT, ("service", service), *(("scope", scope) for scope in scopes)]
        if held is not None:
            query.append(("account", held.user))
        if held is not None and self._log_in:
            query.append(("offline_token", "true"))
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        shown = {} if held is None else {"Authorization": held.basic}
        response = await self._http.request("GET", url, shown, redirects=True)
        if held is None or response.status not in _NO_GET:
            return response
        response.release()
        grant = {"grant_type": "password", "username": held.user, "password": held.password}
        return await self._post(realm, service, scopes, grant)

    async def _post(self, realm: str, service: str, scopes: tuple[str, ...], grant: dict[str, str]) -> "Response":
        form = dict([_CLIENT]) | grant | {"service": service, "scope": " ".join(scopes)}
        if self._log_in:
            form["access_type"] = "offline"
        # The form holds a secret, which must not go where a redirect leads.
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._http.request("POST", realm, headers, urlencode(form).encode())


def lacks_rights(challenge: Challenge) -> bool:
    """Tell whether a registry knows who we are, and that we may not do this."""
    return challenge.parameters.get("error") == "insufficient_scope"
