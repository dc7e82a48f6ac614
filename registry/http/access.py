"""Who may make a request: what its credentials come to, and what is answered where they do not suffice."""

import logging
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aiohttp import hdrs

from auth.action import Action
from auth.principal import ANONYMOUS, Caller, Decision, Principal
from registry.http.browsers import Hosts, is_foreign
from registry.http.responses import REQUEST_ID
from storage.oci.errors import Denied

if TYPE_CHECKING:
    from registry.http.call import Call
    from storage.oci.reference import Name

#: What a browser is told.
FOREIGN: Final = "pages of other sites may not use this registry"
_LOG: Final = logging.getLogger("preg.auth")


class Rules(Protocol):
    """What ``auth.policy.Policy`` says."""

    def decide(self, principal: Principal, action: Action, repository: str = "", /) -> Decision:
        """Say whether somebody may do something."""


class RuleBook(Protocol):
    """Rules that may change while we serve."""

    @property
    def value(self) -> Rules:
        """The rules as they were read last."""

    async def current(self) -> Rules:
        """Read the rules anew if they have changed."""


class Access(Protocol):
    """Decides on requests. A refusal is an error of ``storage.oci.errors``, and the log has the reason."""

    async def admit(self, call: "Call", action: Action, /) -> Caller:
        """Say who makes a request, if he may take this action on the repository in its path."""

    def lists(self, caller: Caller, repository: str, /) -> bool:
        """Tell whether one who may read the catalog finds a repository in it."""

    def may_mount(self, call: "Call", source: "Name | None", /) -> bool:
        """Tell whether the caller may take blobs over from ``source``, or from anywhere if that is None."""


class Known(NamedTuple):
    """A caller whose rights are what the rules give him."""

    principal: Principal
    rules: Rules

    def may(self, action: Action, repository: str = "", /) -> Decision:
        """See ``Caller.may``."""
        return self.rules.decide(self.principal, action, repository)


class _Anybody(NamedTuple):
    """The caller where callers are not told apart."""

    principal: Principal = ANONYMOUS

    def may(self, _action: Action, _repository: str = "", /) -> Decision:
        return _YES


_YES: Final = Decision(allowed=True, reason="everybody may do everything, as the mode is none")
_ANYBODY: Final = _Anybody()


class OpenAccess:
    """Lets everybody do everything, but for pages in browsers, which do it in the name of who looks at them."""

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()

    async def admit(self, call: "Call", action: Action, /) -> Caller:
        host = call.request.headers.get(hdrs.HOST, "")
        if not self._hosts.include(host):
            log_refusal(call, None, action.value, f"the Host {host[:300]!r} is no name of this registry")
            raise Denied(
                f"this registry is not known as {host[:300]!r}: add the name to hosts in [server], or set auth.mode"
            )
        if is_foreign(call.request):
            log_refusal(call, None, action.value, "a page of another site asks")
            raise Denied(FOREIGN)
        return _ANYBODY

    def lists(self, _caller: Caller, _repository: str, /) -> bool:
        return True

    def may_mount(self, _call: "Call", _source: "Name | None", /) -> bool:
        return True


def log_refusal(call: "Call", principal: Principal | None, what: str, reason: str) -> None:
    """Say in the log who was refused what, and why; ``principal`` is None where nobody knows who it was."""
    who = "somebody" if principal is None else principal.name or "anonymous"
    where = f" on {call.name}" if call.name else ""
    _LOG.info("%s is refused %s%s: %s", who, what, where, reason, extra={"request_id": call.request[REQUEST_ID]})
