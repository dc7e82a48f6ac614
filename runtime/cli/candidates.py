"""What the last word of a command line may become."""

import io
import os
import re
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from typing import Final, NamedTuple

from runtime import config
from runtime.cli import COMMANDS, Command, named
from runtime.cli.aliases import ALIASES
from runtime.cli.options import HELP, Option, Usage, load_function
from runtime.containers import Containers
from runtime.engine import KNOWN
from runtime.errors import Fault
from runtime.images import Images
from runtime.network.networks import PREDEFINED, Networks
from runtime.network.plan import DEFAULT
from runtime.restart import POLICIES
from runtime.volumes import Volumes
from storage.oci.reference import Reference

#: What stands between the braces of a template and the field.
_FIELD: Final = "{{."
#: The values of a filter are names of these.
_FILTERED: Final = {
    "ancestor": "IMAGE",
    "container": "CONTAINER",
    "image": "IMAGE",
    "network": "NETWORK",
    "volume": "VOLUME",
}
#: A line of argparse's help that has an option, with its choices if it has any; and one that has a command.
_HELP_OPTION: Final = re.compile(r"^  (?:-\w(?: \S+)?, )?(--[\w-]+)(?: \{([^}]+)\})?", re.MULTILINE)
_HELP_COMMAND: Final = re.compile(r"^    (\w+)  ", re.MULTILINE)


class _Line(NamedTuple):
    """A command with the words behind it, and the beginning of the one that is to be completed."""

    command: Command
    given: list[str]
    started: str


def complete(words: list[str]) -> list[str]:
    """List what the last word may become, given those before it."""
    *before, started = words
    command, before = named(before)
    if command is None:
        found: Iterable[str] = _commands(before)
    else:
        line = _Line(command, before[len(command.name.split()) :], started)
        usage = _usage(command)
        found = _from_help(line) if usage is None else _from_usage(line, usage)
    return sorted({word for word in found if word.startswith(started)})


def _commands(before: list[str]) -> Iterable[str]:
    names = [name.split() for name in (*(c.name for c in COMMANDS), *ALIASES)]
    depth = len(before)
    return {name[depth] for name in names if name[:depth] == before and len(name) > depth}


def _usage(command: Command) -> Usage | None:
    """Give what a command understands; the registry's have parsers of their own."""
    if not command.entry.startswith("runtime."):
        return None
    usage = getattr(import_module(command.entry.partition(":")[0]), "USAGE", None)
    return usage if isinstance(usage, Usage) else None


def _from_usage(line: _Line, usage: Usage) -> Iterable[str]:
    options = {name: option for option in (*usage.options, HELP) for name in (option.name, option.short) if name}
    operands, option = _read(line.given, options, usage)
    if option is not None:
        return _values(option, line.started)
    if usage.command_follows and operands:
        return _within(line.command, operands, line.started)
    name, equals, value = line.started.partition("=")
    if equals and name in options:
        return [f"{name}={found}" for found in _values(options[name], value)]
    if line.started.startswith("-"):
        return [name for name in options if name.startswith("--")]
    if line.command.name == "cp":
        return _copied(line.started)
    return _named(_operand(usage, len(operands)))


def _read(given: list[str], options: dict[str, Option], usage: Usage) -> tuple[list[str], Option | None]:
    """Give the operands among words, and the option whose value comes next, if one does."""
    operands: list[str] = []
    option: Option | None = None
    for word in given:
        if option is not None:
            option = None
        elif word.startswith("-") and not (usage.command_follows and operands):
            found = options.get(word)
            option = found if found is not None and found.value else None
        else:
            operands.append(word)
    return operands, option


def _operand(usage: Usage, count: int) -> str:
    """Give what the synopsis calls the operand behind so many; empty if there is none, or it is a new name."""
    names = [n for n in usage.synopsis.split()[len(usage.command.split()) :] if not n.startswith("[OPTION")]
    if usage.command.endswith(" create") or (count >= len(names) and not (names and names[-1].endswith("..."))):
        return ""
    return names[min(count, len(names) - 1)]


def _values(option: Option, started: str) -> Iterable[str]:
    """List what may be given to an option."""
    if option.value == "FORMAT":
        return _formats(option.choices, started)
    if option.name != "--filter":
        return option.choices or _named(option.value)
    key, equals, _ = started.partition("=")
    if equals:
        return [f"{key}={name}" for name in _named(_FILTERED.get(key, ""))]
    return [f"{key}=" for key in option.choices]


def _formats(fields: tuple[str, ...], started: str) -> list[str]:
    """List the words that say how to print, and where a template has begun the fields that may come next."""
    begun, braces, _ = started.rpartition(_FIELD)
    if braces:
        return [f"{begun}{_FIELD}{field}}}}}" for field in fields]
    return ["json", *(("table", *fields) if fields else ())]


def _named(name: str) -> Iterable[str]:
    """List what can stand where the help shows a name in capitals."""
    found: list[str] = []
    for kind in name.strip("[.]").split("|"):
        with suppress(Fault, OSError):
            found += _SOURCES[kind]() if kind in _SOURCES else ()
    return found


def _containers() -> list[str]:
    here = config.load()
    names = []
    for container in Containers(here.home, here.state):
        with suppress(OSError, Fault):
            names.append(container.describe().name)
    return names


def _images() -> list[str]:
    names = (Reference.parse(record.reference) for record in Images(config.load().home).names())
    return [name.familiar for name in names if name.tag is not None]


def _networks() -> list[str]:
    here = config.load()
    return [DEFAULT, *PREDEFINED, *(network.name for network in Networks(here.home, here.state))]


def _volumes() -> list[str]:
    return [volume.name for volume in Volumes(config.load().home)]


_SOURCES: Final[dict[str, Callable[[], Iterable[str]]]] = {
    "CONTAINER": _containers,
    "CONTAINER[:ALIAS]": _containers,
    "CONTAINER[:ro]": _containers,
    "IMAGE": _images,
    "NETWORK": _networks,
    "VOLUME": _volumes,
    "POLICY": lambda: POLICIES,
    "RUNTIME": lambda: KNOWN,
    "SHELL": lambda: ("bash", "zsh", "fish"),
    "WHEN": lambda: ("always", "missing", "never"),
    "STREAM": lambda: ("stdin", "stdout", "stderr"),
}


# What is within containers.


def _copied(started: str) -> Iterable[str]:
    """List containers, to be followed by a path, or the paths within one; those of this host are the shell's."""
    container, colon, path = started.partition(":")
    if not colon:
        return [f"{name}:" for name in _containers()]
    return [f"{container}:{found}" for found in _paths(container, path)]


def _within(command: Command, operands: list[str], started: str) -> Iterable[str]:
    """List what may follow the container of ``exec``: a program, and then paths."""
    if command.name != "exec":
        return ()
    if "/" in started:
        return _paths(operands[0], started)
    return _programs(operands[0]) if len(operands) == 1 else ()


def _paths(container: str, started: str) -> list[str]:
    """List the paths of a container that begin so; those of directories end with a slash."""
    folder = f"{started.rpartition('/')[0]}/"
    return [f"{folder}{name}" for name in _listed(container, folder)]


def _programs(container: str) -> list[str]:
    """List what is on the path that programs are looked for in, as far as the usual one goes."""
    folders = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
    return [name for folder in folders for name in _listed(container, folder) if not name.endswith("/")]


def _listed(container: str, folder: str) -> list[str]:
    """List a directory of a container; nothing if it cannot be looked into."""
    from runtime.kernel import open_inside  # noqa: PLC0415 - for those who complete paths
    from runtime.roots import opened_root  # noqa: PLC0415

    here = config.load()
    containers = Containers(here.home, here.state)
    with suppress(Fault, OSError), opened_root(containers, containers.find(container)) as root:
        directory = open_inside(root, os.fsencode(f"/{folder.lstrip('/')}"), os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(directory) as entries:
                return [f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries]
        finally:
            os.close(directory)
    return []


# The registry's commands, which argparse reads: their help tells what they take.


def _from_help(line: _Line) -> Iterable[str]:
    words = [word for word in line.given if not word.startswith("-")]
    text = _help_of(line.command, words[:1])
    options = {found[1]: found[2] for found in _HELP_OPTION.finditer(text)}
    if line.given and line.given[-1] in options:
        return (options[line.given[-1]] or "").split(",")
    if line.started.startswith("-"):
        return options
    return _HELP_COMMAND.findall(text) if not words else ()


def _help_of(command: Command, words: list[str]) -> str:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(io.StringIO()), suppress(SystemExit):
        load_function(command.entry)([*words, "--help"])
    return said.getvalue()
