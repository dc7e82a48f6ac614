"""The help where no command is named."""

from __future__ import annotations

from runtime.cli import GROUPS
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.cli import Command


def help_instead(words: list[str]) -> str:
    """Give the help where no command is named, but perhaps a family of them. Raises UsageError."""
    if not words or words[0] in ("-h", "--help", "help"):
        return _help("COMMAND", GROUPS)
    family = words[0]
    own = {title: tuple(c for c in group if c.name.startswith(f"{family} ")) for title, group in GROUPS.items()}
    own = {title: group for title, group in own.items() if group}
    if own and words[1:] in ([], ["-h"], ["--help"]):
        return _help(f"{family} COMMAND", own)
    unknown, known = (" ".join(words[:2]), f"preg {family}") if own else (family, "preg")
    raise UsageError(f"there is no command {unknown!r}; '{known} --help' lists those there are")


def _help(usage: str, groups: Mapping[str, tuple[Command, ...]]) -> str:
    width = max(len(c.name) for group in groups.values() for c in group) + 2
    rows = {title: "".join(f"  {c.name:<{width}}{c.summary}\n" for c in group) for title, group in groups.items()}
    lists = "\n".join(f"{title}:\n{text}" for title, text in rows.items())
    return f"Usage: preg {usage} [ARGUMENT...]\n\n{lists}\n'preg COMMAND --help' tells more of each.\n"
