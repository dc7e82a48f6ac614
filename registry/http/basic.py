"""Access with a user's name and password in every request (RFC 7617)."""

from typing import TYPE_CHECKING, Final

from auth.action import Action
from auth.errors import CredentialsRefused
from auth.principal import ANONYMOUS
from registry.http.access import Known, RuleBook, log_refusal
from registry.http.errors import Challenged
from storage.oci.errors import Denied

if TYPE_CHECKING:
    from auth.principal import Caller
    from registry.http.call import Call
    from registry.http.logins import Logins
    from storage.oci.reference import Name

CHALLENGE: Final = 'Basic realm="preg"'


class BasicAccess:
    """Lets in who knows a password, or shows a certificate, and anonymously whom the rules let in."""

    def __init__(self, logins: "Logins", rules: RuleBook) -> None:
        self._logins = logins
        self._rules = rules

    async def admit(self, call: "Call", action: Action, /) -> "Caller":
        """See ``Access.admit``. Who is unknown is asked for credentials, who is known and may not is denied."""
        try:
            principal = await self._logins.sender(call.request)
        except CredentialsRefused as fault:
            log_refusal(call, None, action, str(fault))
            raise Challenged("the user name or the password is wrong", CHALLENGE) from None
        caller = Known(principal, await self._rules.current())
        decision = caller.may(action, call.name)
        if decision.allowed:
            return caller
        if action is not Action.PING:
            log_refusal(call, principal, action, decision.reason)
        if principal is ANONYMOUS:
            raise Challenged("", CHALLENGE)
        raise Denied(f"{principal.name} may not {action} here")

    def lists(self, caller: "Caller", repository: str, /) -> bool:
        """See ``Access.lists``."""
        return caller.may(Action.PULL, repository).allowed

    def may_mount(self, call: "Call", source: "Name | None", /) -> bool:
        """See ``Access.may_mount``."""
        return source is not None and call.caller.may(Action.PULL, source).allowed
