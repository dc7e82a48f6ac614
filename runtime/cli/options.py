"""Command lines, read as Docker reads them.

Not ``argparse``: it cannot leave alone what follows an image's name, and importing it takes as long as the work of a
quick command.
"""

from __future__ import annotations

from runtime.errors import UsageError
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final, TypeVar

    Asked = TypeVar("Asked")


class HelpWanted(Exception):
    """``--help`` was given; the text is the help."""


class Option(NamedTuple):
    """A switch, or with ``value`` (its name in the help) an option that takes one."""

    name: str
    help: str
    value: str = ""
    short: str = ""
    choices: tuple[str, ...] = ()
    """What shells offer for its value: of a filter the keys, of a format the fields."""
    also: tuple[str, ...] = ()
    """Other names that Docker takes, too, and does not tell of."""

    @property
    def title(self) -> str:
        """How the help shows it."""
        short = f"{self.short}, " if self.short else "    "
        return f"{short}{self.name}{f' {self.value}' if self.value else ''}"


class Options:
    """What was given: the values of each option in order, and the other words."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self.operands: list[str] = []

    def __contains__(self, name: str) -> bool:
        """Whether the switch is on."""
        return self._values.get(name, ["false"])[-1] != "false"

    def all(self, name: str) -> list[str]:
        """Every value that was given for the option."""
        return self._values.get(name, [])

    def last(self, name: str) -> str | None:
        """The value that counts where an option is given more than once."""
        return self._values[name][-1] if name in self._values else None

    def pairs(self, name: str, keys: tuple[str, ...]) -> list[tuple[str, str]]:
        """Every value of an option that takes ``KEY=VALUE`` with one of the keys. Raises UsageError."""
        found = []
        for text in self.all(name):
            key, equals, value = text.partition("=")
            if key not in keys or not equals:
                raise UsageError(f"{name} {text}: it is KEY=VALUE with {', '.join(keys)}")
            found.append((key, value))
        return found

    def add(self, name: str, value: str) -> None:
        """Note that the option was given."""
        self._values.setdefault(name, []).append(value)


class Family(NamedTuple):
    """Options that are read together, by a function whose module is imported only where one of them is given.

    ``reader`` is ``module:function``. It takes what was given, and a record of what is asked for without these options,
    and gives that of what is asked for with them.
    """

    reader: str
    options: tuple[Option, ...]

    def read(self, options: Options, asked: Asked) -> Asked:
        """Add to what is asked for what these options say. Raises UsageError, and what else the reader does."""
        if not any(options.all(option.name) for option in self.options):
            return asked
        added: Asked = load_function(self.reader)(options, asked)
        return added


def load_function(entry: str) -> Callable[..., Any]:
    """Import the function that ``module:function`` names."""
    module, _, function = entry.partition(":")
    found: Callable[..., Any] = getattr(__import__(module, fromlist=(function,)), function)
    return found


HELP: Final = Option("--help", "Show this and exit", short="-h")
_ON: Final = ("true", "1", "t", "True", "TRUE")
_OFF: Final = ("false", "0", "f", "False", "FALSE")


class Usage(NamedTuple):
    """What a command understands.

    With ``command_follows`` the first operand ends the options: what comes after it belongs to somebody else.
    """

    synopsis: str
    summary: str
    options: tuple[Option, ...] = ()
    notes: str = ""
    operands: tuple[int, int] = (0, 0)
    """How many operands there must be, and how many there may."""
    command_follows: bool = False

    @property
    def command(self) -> str:
        """Its name, of one word or two."""
        return " ".join(word for word in self.synopsis.split()[:2] if word.islower())

    def parse(self, arguments: list[str]) -> Options:
        """Read the arguments. Raises UsageError, and HelpWanted."""
        found = Options()
        words = iter(arguments)
        for word in words:
            if word == "--":
                found.operands.extend(words)
            elif not word.startswith("-") or word == "-":
                found.operands.append(word)
                if self.command_follows:
                    found.operands.extend(words)
            elif word.startswith("--"):
                self._read_long(word, words, found)
            else:
                self._read_short(word, words, found)
        self._check_operands(found.operands)
        return found

    def help(self) -> str:
        """Write the text of ``--help``."""
        # To Docker -h is a host name where there is one.
        taken = any(option.short == HELP.short for option in self.options)
        options = (*self.options, HELP._replace(short="") if taken else HELP)
        width = max(len(option.title) for option in options) + 2
        rows = "".join(f"  {option.title:<{width}}{option.help}\n" for option in options)
        notes = f"\n{self.notes.strip()}\n" if self.notes else ""
        return f"Usage: preg {self.synopsis}\n\n{self.summary}\n\nOptions:\n{rows}{notes}"

    def _read_long(self, word: str, words: Iterator[str], found: Options) -> None:
        name, equals, value = word.partition("=")
        option = self._find(name, "name")
        if option.value:
            found.add(option.name, value if equals else self._next(words, option))
        elif not equals or value in _ON:
            found.add(option.name, "true")
        elif value in _OFF:
            found.add(option.name, "false")
        else:
            raise UsageError(f"{name} is on or off, so {value!r} cannot be its value")

    def _read_short(self, word: str, words: Iterator[str], found: Options) -> None:
        """Read ``-it``, ``-eA=b``, ``-e A=b`` or ``-i=false``."""
        for position, letter in enumerate(word[1:], start=2):
            option, rest = self._find(f"-{letter}", "short"), word[position:]
            if option.value:
                found.add(option.name, rest.removeprefix("=") if rest else self._next(words, option))
                return
            if rest.startswith("="):
                self._read_long(f"{option.name}{rest}", words, found)
                return
            found.add(option.name, "true")

    def _find(self, name: str, kind: str) -> Option:
        for option in self.options:
            if getattr(option, kind) == name or name in option.also:
                return option
        if name in (HELP.name, HELP.short):
            raise HelpWanted(self.help())
        raise UsageError(f"there is no option {name}; 'preg {self.command} --help' lists those there are")

    def _next(self, words: Iterator[str], option: Option) -> str:
        value = next(words, None)
        if value is None:
            raise UsageError(f"{option.name} needs a value: {option.name} {option.value}")
        return value

    def _check_operands(self, operands: list[str]) -> None:
        least, most = self.operands
        if not least <= len(operands) <= most and not (self.command_follows and len(operands) >= least):
            raise UsageError(f"the command is used as: preg {self.synopsis}")
