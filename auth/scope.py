"""Scopes: what clients ask a token for, and what a token allows.

The grammar is that of Docker's token specification: ``repository:team/app:pull,push``, ``registry:catalog:*``.
"""

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from auth.action import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

REPOSITORY: Final = "repository"
CATALOG: Final = ("registry", "catalog")
#: Stands for every action.
ALL: Final = "*"
# A type may have a class, such as `repository(plugin)`; the name may begin with a host and its port.
_SCOPE: Final = re.compile(r"([a-z0-9]{1,32})(?:\([a-z0-9]{1,32}\))?:([A-Za-z0-9._/:\[\]-]{1,255}):([a-z,*]{1,255})")

_NEEDED: Final = {
    Action.PULL: frozenset({"pull"}),
    Action.PUSH: frozenset({"pull", "push"}),
    Action.DELETE: frozenset({"delete"}),
    Action.CATALOG: frozenset({ALL}),
}


class Scope(NamedTuple):
    """Some actions on one thing."""

    type: str
    name: str
    actions: frozenset[str]

    def covers(self, other: "Scope") -> bool:
        """Tell whether this allows all that the other does."""
        return self[:2] == other[:2] and (ALL in self.actions or other.actions <= self.actions)

    def __str__(self) -> str:
        """Write it as clients do."""
        return f"{self.type}:{self.name}:{','.join(sorted(self.actions))}"


def needed(action: Action, repository: str = "") -> Scope:
    """Give what a token must allow for an action; no scope is needed for a ping."""
    kind, name = CATALOG if action is Action.CATALOG else (REPOSITORY, repository)
    return Scope(kind, name, _NEEDED[action])


class Asked(NamedTuple):
    """What a client asks a token for, the newest last, and how many of its scopes are malformed."""

    scopes: list[Scope]
    malformed: int


def parse(scopes: "Iterable[str]") -> Asked:
    """Read scopes, those of one thing together as one, in the place of the last of them.

    What is malformed is passed over, as token servers do.
    """
    found: dict[tuple[str, str], set[str]] = {}
    malformed = 0
    for text in scopes:
        if scope := _SCOPE.fullmatch(text):
            kind, name, actions = scope.groups()
            known = found.pop((kind, name), set())
            known.update(action for action in actions.split(",") if action)
            found[kind, name] = known
        else:
            malformed += 1
    return Asked([Scope(kind, name, frozenset(actions)) for (kind, name), actions in found.items()], malformed)
