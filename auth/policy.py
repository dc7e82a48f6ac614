"""Who may do what where: the rules of a TOML file.

::

    [[rule]]
    who = ["alice", "group:team", "oidc:acme-ci", "cert:host1", "authenticated", "anonymous"]    # or "key:ci", to deny
    repositories = ["team/*"]                   # `*` is any characters but the slash, `**` any characters
    actions = ["pull", "push"]                  # of pull, push, delete, catalog
    deny = true                                 # false if left out

A rule that denies beats all that allow, and what no rule allows is denied. ``anonymous`` is who sends no credentials;
what they may do, everybody may who is not denied it. ``authenticated`` is everybody else. Who has grants of their own,
such as an API key, may do what these say and what ``anonymous`` may: rules deny them more, and allow them nothing.
Who pushes must be allowed to pull, too. ``catalog`` concerns no repository.
"""

import logging
import re
import tomllib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from auth.action import Action
from auth.errors import AuthMisconfigured
from auth.names import ANONYMOUS, AUTHENTICATED, RESERVED, is_name
from auth.principal import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from auth.principal import Principal

_LOG: Final = logging.getLogger("preg.auth")
_KINDS: Final = ("group", "key", "oidc", "cert")
_GLOB: Final = re.compile(r"(?:[a-z0-9._/-]|\*{1,2}+(?!\*))+")
#: In the order in which they are named.
ACTIONS: Final = (Action.PULL, Action.PUSH, Action.DELETE, Action.CATALOG)
#: How many decisions are remembered: a few repositories of a few hundred callers.
_DECISIONS: Final = 8192
#: As long as the name of a repository can be. Whatever is longer is not worth remembering, either.
_LONGEST: Final = 255
_TOO_LONG: Final = Decision(allowed=False, reason="no repository has a name of more than 255 characters")


class Rule(NamedTuple):
    """Some callers, some repositories, some actions; ``title`` is how decisions name the rule."""

    title: str
    who: tuple[str, ...]
    repositories: tuple[str, ...]
    actions: frozenset[Action]
    deny: bool = False

    def find(self, words: "Iterable[str]", action: Action, repository: str) -> str | None:
        """Give the first of a principal's words that this rule is about, None if it is not about this at all."""
        if action not in self.actions or (action is not Action.CATALOG and not matches(self.repositories, repository)):
            return None
        return next((word for word in words if word in self.who), None)


class Policy:
    """Rules in their order. It never changes; ``Watched`` reads another one from a file that did."""

    def __init__(self, rules: "Iterable[Rule]", source: str) -> None:
        self._denying: list[Rule] = []
        self._allowing: list[Rule] = []
        for rule in rules:
            (self._denying if rule.deny else self._allowing).append(rule)
        self._source = source
        self._remembered = lru_cache(_DECISIONS)(self._decide)

    @classmethod
    def read(cls, path: "Path") -> "Policy":
        """Read a policy file. Raises AuthMisconfigured."""
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise AuthMisconfigured(f"{path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise AuthMisconfigured(f"{path} is not TOML: {error}") from error
        tables = tree.pop("rule", None)
        if tree:
            raise AuthMisconfigured(f"{path} may hold nothing but [[rule]]: what is {next(iter(tree))!r}?")
        if not isinstance(tables, list) or not tables:
            raise AuthMisconfigured(f"{path} holds no [[rule]], so it would refuse everything to everybody")
        rules = [_read_rule(table, f"rule {number} of {path}") for number, table in enumerate(tables, start=1)]
        return cls(rules, str(path))

    def decide(self, principal: "Principal", action: Action, repository: str = "") -> Decision:
        """Say whether somebody may do something, and which rule says so."""
        if len(repository) > _LONGEST:
            return _TOO_LONG
        return self._remembered(principal, action, repository)

    def _decide(self, principal: "Principal", action: Action, repository: str) -> Decision:
        if action is Action.PING:
            return _ping(principal)
        decision = self._decide_one(principal, action, repository)
        if action is Action.PUSH and decision.allowed:
            pull = self._decide_one(principal, Action.PULL, repository)
            if not pull.allowed:
                return Decision(False, f"who pushes must be allowed to pull: {pull.reason}")
        return decision

    def _decide_one(self, principal: "Principal", action: Action, repository: str) -> Decision:
        names = (principal.name, *sorted(f"group:{group}" for group in principal.groups)) if principal.name else ()
        for rule in self._denying:
            if word := rule.find((*names, AUTHENTICATED if names else ANONYMOUS), action, repository):
                return Decision(False, _reason(rule.title, "denies", word, rule.actions, rule.repositories))
        for grant in principal.grants:
            if action in grant.actions and (action is Action.CATALOG or matches(grant.repositories, repository)):
                return Decision(True, f"{principal.name} was made for {_extent(*grant)}")
        known = (*names, AUTHENTICATED) if names and not principal.grants else ()
        for rule in self._allowing:
            if word := rule.find((*known, ANONYMOUS), action, repository):
                return Decision(True, _reason(rule.title, "allows", word, rule.actions, rule.repositories))
        if principal.grants:
            made_for = " and ".join(_extent(*grant) for grant in principal.grants)
            return Decision(False, f"{principal.name} was made for {made_for}, and no rule allows it more")
        who = " ".join(names) or ANONYMOUS
        where = f" on {repository}" if repository else ""
        return Decision(False, f"no rule of {self._source} allows {who} {action}{where}")


#: What holds where no policy file is set.
DEFAULT: Final = Policy(
    [Rule("the default policy", (AUTHENTICATED,), ("**",), frozenset(ACTIONS))],
    "the default policy",
)


def matches(globs: tuple[str, ...], repository: str) -> bool:
    """Tell whether one of the globs covers a repository."""
    return _pattern(globs).fullmatch(repository) is not None


def check_globs(globs: "Iterable[str]") -> None:
    """Refuse what can match no repository. Raises AuthMisconfigured."""
    for glob in globs:
        if _GLOB.fullmatch(glob) is None:
            raise AuthMisconfigured(
                f"{glob!r} matches no repository: their names are of a-z 0-9 . _ - /, `*` is any of these but"
                " the slash, and `**` any of them"
            )


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as it is written."""

    who: tuple[str, ...]
    actions: tuple[Literal["pull", "push", "delete", "catalog"], ...]
    repositories: tuple[str, ...] = ()
    deny: bool = False


def _read_rule(value: Any, title: str) -> Rule:
    try:
        table = msgspec.convert(value, _Table)
        for setting in ("who", "actions", "repositories"):
            if not getattr(table, setting) and (setting, table.actions) != ("repositories", ("catalog",)):
                raise AuthMisconfigured(f"`{setting}` is missing or empty")
        for who in table.who:
            _check_who(who)
        check_globs(table.repositories)
    except (msgspec.ValidationError, AuthMisconfigured) as error:
        raise AuthMisconfigured(f"{title}: {error}") from error
    keys = [who for who in table.who if who.startswith("key:")]
    if keys and not table.deny:
        _LOG.warning(
            "%s allows %s nothing: a key may do what it was made for, so make another for more", title, ", ".join(keys)
        )
    return Rule(title, table.who, table.repositories, frozenset(map(Action, table.actions)), table.deny)


def _check_who(who: str) -> None:
    kind, colon, name = who.partition(":")
    known = (kind in _KINDS and name and name.isprintable()) if colon else who in RESERVED or is_name(who)
    if not known:
        kinds = ", ".join(f"{kind}:NAME" for kind in _KINDS)
        raise AuthMisconfigured(f"{who!r} is nobody: write a user's name, {kinds}, authenticated or anonymous")


def _ping(principal: "Principal") -> Decision:
    if principal.name:
        return Decision(True, f"{principal.name} is known")
    return Decision(False, "nobody is known who sends no credentials")


def _reason(title: str, verb: str, word: str, actions: frozenset[Action], globs: tuple[str, ...]) -> str:
    return f"{title} {verb} {word} {_extent(globs, actions)}"


def _extent(globs: tuple[str, ...], actions: frozenset[Action]) -> str:
    what = ", ".join(action for action in ACTIONS if action in actions)
    return f"{what} on {', '.join(globs)}" if globs else what


@lru_cache(1024)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(_expression, globs)) or r"(?!)", re.DOTALL)


def _expression(glob: str) -> str:
    """Write a glob as an expression that is tried in few steps, whatever name a client asks for.

    What lies between two stars is looked for where it comes first, and never again (``(?>...)``): further on it leaves
    less of the name to those behind it, and no more.
    """
    first, *others = re.split(r"(?<!\*)\*\*(?!\*)", glob)
    if not others:
        return _at_end(first)
    *between, last = others
    return _first_of(first) + "".join(f"(?>.*?{_first_of(each)})" for each in between) + f".*{_at_end(last)}"


def _first_of(part: str) -> str:
    """Write what has single stars alone, to end where it can end first."""
    literal, *others = _literals(part)
    return literal + "".join(f"(?>[^/]*?{each})" for each in others)


def _at_end(part: str) -> str:
    """Write what has single stars alone, to end with the name."""
    literal, *others = _literals(part)
    return (
        literal + "".join(f"(?>[^/]*?{each})" for each in others[:-1]) + "".join(f"[^/]*{each}" for each in others[-1:])
    )


def _literals(part: str) -> list[str]:
    return [re.escape(literal) for literal in re.split(r"(?<!\*)\*(?!\*)", part)]
