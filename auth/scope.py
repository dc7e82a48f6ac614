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
#: A token for more scopes would not fit into a header.
_MOST: Final = 128

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


def parse(scopes: "Iterable[str]") -> list[Scope]:
    """Read scopes, those of one thing together as one.

    What is malformed is ignored, as token servers do, and so is what comes after the first 128.
    """
    found: dict[tuple[str, str], frozenset[str]] = {}
    for text in scopes:
        scope = _SCOPE.fullmatch(text)
        if scope and (scope.group(1, 2) in found or len(found) < _MOST):
            kind, name, actions = scope.groups()
            found[kind, name] = found.get((kind, name), frozenset()).union(actions.split(",")) - {""}
    return [Scope(kind, name, actions) for (kind, name), actions in found.items()]
