"""The help where no command is named, and what a command is called besides."""

from __future__ import annotations

from runtime.cli import COMMANDS, GROUPS
from runtime.cli.aliases import ALIASES, names_of
from runtime.cli.global_options import SHOWN
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

FAMILIES = tuple(sorted({name.split()[0] for name in (*ALIASES, *(c.name for c in COMMANDS)) if " " in name}))


def help_instead(words: list[str]) -> str:
    """Give the help where no command is named, but perhaps a family of them. Raises UsageError."""
    if not words or words[0] in ("-h", "--help", "help"):
        listed = {title: [(command.name, command.summary) for command in group] for title, group in GROUPS.items()}
        options = {"Options before the command": [(option.title, option.help) for option in SHOWN]}
        more = f"'preg FAMILY --help' lists the commands of a family: {', '.join(FAMILIES)}.\n"
        return _help("[OPTION...] COMMAND", listed | options) + more
    if words[0] in FAMILIES and words[1:] in ([], ["-h"], ["--help"]):
        return _help(f"{words[0]} COMMAND", {"Commands": _members(words[0])})
    raise UsageError(_unknown(words))


def aliases_text(command: str) -> str:
    """Tell in a command's help what else it is called; nothing if it has one name."""
    names = names_of(command)
    return f"\nAliases: {', '.join(f'preg {name}' for name in names)}\n" if names[1:] else ""


def _members(family: str) -> list[tuple[str, str]]:
    """List a family's commands with their summaries, each under one name."""
    own = {command.name: command.summary for command in COMMANDS if command.name.startswith(f"{family} ")}
    meant = {*own}
    for alias, meaning in ALIASES.items():
        if alias.startswith(f"{family} ") and meaning not in meant:
            meant.add(meaning)
            own[alias] = next(c.summary for c in COMMANDS if c.name == meaning.partition(" --")[0])
    return sorted(own.items())


def _unknown(words: list[str]) -> str:
    """Say that there is no such command, and which one may have been meant."""
    import difflib  # noqa: PLC0415 - for those who mistyped

    *family, word = words[:2] if words[0] in FAMILIES else words[:1]
    start = " ".join(("preg", *family))
    known = [f"preg {name}".removeprefix(f"{start} ") for name in (*(c.name for c in COMMANDS), *ALIASES, *FAMILIES)]
    close = difflib.get_close_matches(word, known, 1, 0.7)
    meant = f"; did you mean '{start} {close[0]}'?" if close else ";"
    return f"there is no command {' '.join((*family, word))!r}{meant} '{start} --help' lists those there are"


def _help(usage: str, groups: dict[str, list[tuple[str, str]]]) -> str:
    width = max(len(name) for rows in groups.values() for name, _ in rows) + 2
    lists = "\n".join(f"{title}:\n{_rows(rows, width)}" for title, rows in groups.items())
    return f"Usage: preg {usage} [ARGUMENT...]\n\n{lists}\n'preg COMMAND --help' tells more of each.\n"


def _rows(rows: Iterable[tuple[str, str]], width: int) -> str:
    return "".join(f"  {name:<{width}}{summary}\n" for name, summary in rows)
