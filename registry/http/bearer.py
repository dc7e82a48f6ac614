"""Access with tokens that were issued for it: Docker's token authentication, and RFC 6750."""

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from auth.action import Action
from auth.errors import CredentialsRefused
from registry.http.access import Known, RuleBook, log_refusal
from registry.http.errors import Challenged
from registry.http.logins import authorization, certified
from registry.http.peers import base_url
from storage.oci.errors import NameInvalid
from storage.oci.headers import Challenge, format_challenge
from storage.oci.reference import parse_name

if TYPE_CHECKING:
    from aiohttp import web

    from auth.principal import Caller, Decision
    from registry.http.call import Call
    from storage.oci.reference import Name

#: What a token has to allow for an action, as clients are to ask for it.
_ASK: Final = {Action.PULL: "pull", Action.PUSH: "pull,push", Action.DELETE: "delete"}


class Tokens(Protocol):
    """What ``auth.tokens`` does with the tokens of an issuer."""

    async def verify(self, token: str, /) -> "Caller":
        """Give who comes with a token. Raises CredentialsRefused and AuthUnavailable."""


class Service(NamedTuple):
    """What clients are told of the token server; an empty ``realm`` is ours, at the host they have asked."""

    name: str
    realm: str = ""


class BearerAccess:
    """Lets in who has a token that allows it. With an issuer of another there are no ``rules`` of ours."""

    def __init__(self, tokens: Tokens, service: Service, rules: RuleBook | None) -> None:
        self._tokens = tokens
        self._service = service
        self._rules = rules

    async def admit(self, call: "Call", action: Action, /) -> "Caller":
        """See ``Access.admit``. The challenge says which token to get; its error, why this one will not do."""
        try:
            caller = await self._caller(call.request)
        except CredentialsRefused as fault:
            log_refusal(call, None, action, str(fault))
            raise self._challenge(call, action, "the token is not valid here", "invalid_token") from None
        if caller is None:
            raise self._challenge(call, action)
        decision = caller.may(action, call.name)
        if not decision.allowed:
            log_refusal(call, caller.principal, action, self._reason(call, caller, action, decision))
            raise self._challenge(call, action, f"this token does not allow to {action} here", "insufficient_scope")
        return caller

    def lists(self, caller: "Caller", repository: str, /) -> bool:
        """See ``Access.lists``. A token for the catalog speaks of no repository, so the rules are asked about it."""
        return self._rules is None or self._rules.value.decide(caller.principal, Action.PULL, repository).allowed

    def may_mount(self, call: "Call", source: "Name | None", /) -> bool:
        """See ``Access.may_mount``. A token that does not speak of the source is no reason to end a push.

        Many clients ask for no second token, so they upload the blob instead. Who names no source could not know whom
        to ask about, and is told which token would do.
        """
        if source is None:
            return False
        if call.caller.may(Action.PULL, source).allowed:
            return True
        if call.parameter("from") is None and self._rules is not None and self.lists(call.caller, source):
            reason = f"the token does not speak of {source}, from which the blob could be mounted"
            log_refusal(call, call.caller.principal, Action.PUSH, reason)
            raise self._challenge(call, Action.PUSH, reason, "insufficient_scope", f" repository:{source}:pull")
        return False

    async def _caller(self, request: "web.BaseRequest") -> "Caller | None":
        given = authorization(request)
        if given is None:
            shown = certified(request) if self._rules is not None else None
            return Known(shown, await self._rules.current()) if shown and self._rules else None
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            return None
        if self._rules is not None:
            await self._rules.current()
        return await self._tokens.verify(token.strip())

    def _reason(self, call: "Call", caller: "Caller", action: Action, decision: "Decision") -> str:
        """Say why a token does not do: because it could not be had with more rights, if that is so."""
        if self._rules is not None:
            ruled = self._rules.value.decide(caller.principal, action, call.name)
            if not ruled.allowed:
                return ruled.reason
        return decision.reason

    def _challenge(
        self, call: "Call", action: Action, message: str = "", error: str = "", further: str = ""
    ) -> Challenged:
        realm = self._service.realm or f"{base_url(call.request)}/token"
        scope = _scope(call, action) + further
        parameters = {"realm": realm, "service": self._service.name, "scope": scope, "error": error}
        said = {name: value for name, value in parameters.items() if value}
        return Challenged(message, format_challenge(Challenge("bearer", said)))


def _scope(call: "Call", action: Action) -> str:
    """Give the scopes of the token that the request needs; containerd asks for no others."""
    if action is Action.PING:
        return ""
    if action is Action.CATALOG:
        return "registry:catalog:*"
    scope = f"repository:{call.name}:{_ASK[action]}"
    source = call.parameter("from") if call.parameter("mount") else None
    try:
        return scope if source is None else f"{scope} repository:{parse_name(source)}:pull"
    except NameInvalid:
        return scope
