"""No pattern of the product can be made to try one text in very many ways.

Python's engine goes back where a repeat may end in several places: what others send could hold up the whole server.
Each pattern is taken apart into *positions*, the places where it reads one character, and what may follow each. It is
slow where one text leads from a position to itself in two ways (time grows exponentially), or from one repeat into
another that could have read the same (quadratically).
"""

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations, permutations, product
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]  # no other module takes patterns apart
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import pytest

from tests.parts.required import ROOT

ROOMS = ("auth", "registry", "runtime", "storage")
ALPHABET = [chr(number) for number in range(128)] + ["é", "٣", "\u2028"]
# Where nobody else writes what is read.
OURS = {"runtime/seccomp_profile.py": "it reads a file that comes with it"}
# Where the pattern is not ours.
OTHERS = {
    "registry/config.py: config.redirect.except_user_agents": "whoever runs the server",
    "registry/http/redirects.py: except_user_agents": "whoever runs the server",
    "auth/policy.py: '|'.join(map(_expression, globs)) or '(?!)'": "whoever writes the policy",
    "runtime/cli/filters.py: pattern": "whoever types the command",
}


class End(NamedTuple):
    """A position, and which characters cannot be read just before it or behind it."""

    position: int
    barred: frozenset[str]


class Part(NamedTuple):
    """A part of a pattern: where it may begin and end. ``skipped`` bars what may follow if it is left out."""

    first: tuple[End, ...]
    last: tuple[End, ...]
    skipped: frozenset[str] | None
    """None if it cannot be left out."""


NOTHING = Part((), (), frozenset())


class Positions:
    """The positions of a pattern: which characters each reads, and as which of them the next may be read."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._reads: list[frozenset[str]] = []
        self._steps: dict[int, list[tuple[int, frozenset[str]]]] = defaultdict(list)
        parsed = _parser.parse(pattern, flags)
        self._flags = parsed.state.flags
        self._sequence(parsed)

    def _sequence(self, nodes: Any) -> Part:
        whole = NOTHING
        for operation, argument in nodes:
            part = self._part(operation, argument)
            self._join(whole.last, part.first)
            first, last, skipped = part
            if whole.skipped is not None:
                first = _barring(first, whole.skipped)
            if skipped is not None:
                last += _barring(whole.last, skipped)
                skipped = None if whole.skipped is None else whole.skipped | skipped
            whole = Part(whole.first + (first if whole.skipped is not None else ()), last, skipped)
        return whole

    def _part(self, operation: Any, argument: Any) -> Part:
        match operation:
            case codes.SUBPATTERN:
                _, more, less, body = argument
                before, self._flags = self._flags, (self._flags | more) & ~less
                part = self._sequence(body)
                self._flags = before
                return part
            case codes.ATOMIC_GROUP:
                return self._sequence(argument)
            case codes.BRANCH:
                return self._branches([self._sequence(branch) for branch in argument[1]])
            case codes.MAX_REPEAT | codes.MIN_REPEAT | codes.POSSESSIVE_REPEAT:
                return self._repeat(*argument, possessive=operation is codes.POSSESSIVE_REPEAT)
            case codes.AT | codes.ASSERT | codes.ASSERT_NOT | codes.FAILURE:
                return NOTHING
            case _:
                self._reads.append(self._characters(operation, argument))
                end = End(len(self._reads) - 1, frozenset())
                return Part((end,), (end,), None)

    def _branches(self, parts: list[Part]) -> Part:
        skips = [part.skipped for part in parts if part.skipped is not None]
        first = tuple(end for part in parts for end in part.first)
        last = tuple(end for part in parts for end in part.last)
        return Part(first, last, frozenset.intersection(*skips) if skips else None)

    def _repeat(self, least: int, most: int, body: Any, *, possessive: bool) -> Part:
        part = self._sequence(body)
        # What is counted ends in one place.
        if most > 1 and least != most:
            self._join(part.last, part.first)
        skipped = part.skipped if least else part.skipped or frozenset()
        if possessive:
            # It has read all that it can, and gives nothing back.
            taken = frozenset().union(*(self._reads[end.position] - end.barred for end in part.first))
            return Part(part.first, _barring(part.last, taken), None if skipped is None else skipped | taken)
        return part._replace(skipped=skipped)

    def _characters(self, operation: Any, argument: Any) -> frozenset[str]:
        alone = _parser.SubPattern(_parser.State(), [(operation, argument)])
        alone.state.flags = self._flags
        code = re._compiler.compile(alone, self._flags)  # type: ignore[attr-defined]
        return frozenset(filter(code.fullmatch, ALPHABET))

    def _join(self, last: tuple[End, ...], first: tuple[End, ...]) -> None:
        for before, behind in product(last, first):
            read = self._reads[behind.position] - before.barred - behind.barred
            if read:
                self._steps[before.position].append((behind.position, read))

    def fault(self) -> str | None:
        """Say in which way the pattern is slow, if it is."""
        for here, steps in self._steps.items():
            for (a, read), (b, also) in combinations(steps, 2):
                if a == b and read & also and self._leads((a,), (here,)):
                    return "a repeat within a repeat reads the same in two ways"
        count = range(len(self._reads))
        loops = [p for p in count if self._leads((p,), (p,))]
        for p, (a, b) in product(loops, combinations(loops, 2)):
            if self._leads((p, p), (a, b)) and self._leads((a, b), (p, p)):
                return "a repeat reads the same in two ways"
        for p, q in permutations(loops, 2):
            if self._leads((p, p, q), (p, q, q)):
                return "a repeat behind a repeat could have read the same"
        return None

    def _leads(self, start: tuple[int, ...], end: tuple[int, ...]) -> bool:
        """Tell whether one text leads from each of some positions to one of others each."""
        waiting, seen = [start], set[tuple[int, ...]]()
        while waiting:
            for steps in product(*(self._steps[position] for position in waiting.pop())):
                there = tuple(position for position, _ in steps)
                if there not in seen and frozenset.intersection(*(read for _, read in steps)):
                    seen.add(there)
                    waiting.append(there)
        return end in seen


def _barring(ends: tuple[End, ...], characters: frozenset[str]) -> tuple[End, ...]:
    return tuple(End(position, barred | characters) for position, barred in ends)


def patterns() -> Iterator[tuple[str, str, int]]:
    """Give each pattern of the product, with where it stands and its flags."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if str(path.relative_to(ROOT)) not in OURS:
                yield from _patterns_in(path)


def _patterns_in(path: Path) -> Iterator[tuple[str, str, int]]:
    relative = path.relative_to(ROOT)
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    of_re = [c for c in calls if isinstance(c.func, ast.Attribute) and ast.unparse(c.func.value) == "re"]
    for call in (call for call in of_re if call.func.attr != "escape"):  # type: ignore[attr-defined]
        text = ast.unparse(call.args[0])
        names = vars(importlib.import_module(".".join(relative.with_suffix("").parts))) | {"re": re}
        try:
            pattern = eval(text, names)  # noqa: S307 - our own source
        except NameError:
            assert f"{relative}: {text}" in OTHERS, f"{relative} makes a pattern of {text}: who writes it?"
            continue
        flags = [eval(ast.unparse(more), names) for more in call.args[1:] if "re." in ast.unparse(more)]  # noqa: S307
        yield f"{relative}: {pattern}", pattern, sum(flags)


@pytest.mark.parametrize(("pattern", "flags"), [pytest.param(p, f, id=where) for where, p, f in patterns()])
def test_no_text_is_tried_in_many_ways(pattern: str, flags: int) -> None:
    assert Positions(pattern, flags).fault() is None


@pytest.mark.parametrize(
    "pattern",
    [
        "(a*)*",
        "(?:a+b?)+",
        "(ab|a|b)*",
        r"(?:;\s*[^,;]*)*",
        "(?:a{1,5}){1,5}",
        "(?:(?:ab)*a?b?)*c",
        r"\s*\s*x",
        "(.*)x(.*)x",
        "[a-z0-9]+[0-9a-f]*Z",
        "(?i:A+a+)b",
    ],
)
def test_what_is_slow_is_found(pattern: str) -> None:
    assert Positions(pattern).fault() is not None


@pytest.mark.parametrize(
    "pattern", [r"(?:a|b)*c", r'"(?:[^"\\]|\\.)*"', "(?:a+b)+", r"(?:\s*+;\s*+[a-z]*+)*", "a{3}a{3}"]
)
def test_what_is_quick_is_not(pattern: str) -> None:
    assert Positions(pattern).fault() is None
