"""Who makes a request."""

from typing import Final, NamedTuple, Protocol

from auth.action import Action


class Grant(NamedTuple):
    """What credentials allow by themselves: ``actions`` on the repositories that one of the globs matches."""

    repositories: tuple[str, ...]
    actions: frozenset[Action]


class Principal(NamedTuple):
    """A person, a machine, or nobody.

    ``name`` is the word that a policy's ``who`` knows it by: a user's plain name, ``key:NAME``, ``oidc:NAME``,
    ``cert:NAME``, or empty for the anonymous. ``grants`` are the bounds of an API key: what a policy allows
    does not widen them, what it denies stays denied.
    """

    name: str
    groups: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()


ANONYMOUS: Final = Principal("")


class Decision(NamedTuple):
    """Whether something is allowed, and the rule that says so, in words for the log and for ``preg auth explain``."""

    allowed: bool
    reason: str


class Caller(Protocol):
    """What a request's credentials came to."""

    @property
    def principal(self) -> Principal:
        """Who it is."""

    def may(self, action: Action, repository: str = "", /) -> Decision:
        """Say whether this caller may do that; ``repository`` is empty for what concerns none."""
