"""The variables that a process is given: ``-e`` and ``--env-file``."""

from __future__ import annotations

from runtime import config
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    from runtime.bundle import Wishes
    from runtime.cli.options import Options
    from runtime.execute import Execution

    Asked = TypeVar("Asked", Wishes, Execution)


def ask_variables(options: Options, asked: Asked) -> Asked:
    """Add the variables to what is asked of a process. Raises UsageError."""
    return asked._replace(environment=tuple(read_variables(options)))


def read_variables(options: Options) -> list[str]:
    """Read those that were given, the files' first, so that ``-e`` wins. Raises UsageError."""
    lines = [(path, line) for path in options.all("--env-file") for line in _lines(path)]
    read = [_read_line(path, line) for path, line in lines] + [read_variable(text) for text in options.all("--env")]
    return [variable for variable in read if variable is not None]


def read_variable(text: str) -> str | None:
    """Read ``NAME=VALUE``, or ``NAME`` for what it is here; None if it is not set here. Raises UsageError."""
    name, equals, _ = text.partition("=")
    if not name or "\0" in text:
        raise UsageError(f"-e {text!r}: a variable is NAME=VALUE or NAME")
    if equals:
        return text
    value = config.variable(name)
    return None if value is None else f"{name}={value}"


def _lines(path: str) -> Iterator[str]:
    """Give the lines that say something. Nothing in them is unquoted or replaced, as with Docker."""
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        try:
            lines = [line.rstrip("\n").removesuffix("\r").lstrip() for line in file]
        except UnicodeDecodeError:
            raise UsageError(f"--env-file {path}: it is no UTF-8 text") from None
    yield from (line for line in lines if line and not line.startswith("#"))


def _read_line(path: str, line: str) -> str | None:
    name = line.partition("=")[0]
    if not name or "\0" in line or any(letter.isspace() for letter in name):
        raise UsageError(f"--env-file {path}: {line[:100]!r} is no variable, which is NAME=VALUE or NAME")
    return read_variable(line)
