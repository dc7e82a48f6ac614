"""``preg completion``: have a shell complete what is typed of a preg command."""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import Final

from runtime import config
from runtime.cli import COMMANDS, Command, named
from runtime.cli.aliases import ALIASES
from runtime.cli.options import HELP, Option, Usage
from runtime.containers import Containers
from runtime.engine import KNOWN
from runtime.errors import Fault, UsageError
from runtime.images import Images
from runtime.restart import POLICIES
from storage.oci.reference import Reference

# Each function hands the words up to the cursor to preg, and takes what it prints; nothing printed means files.
_BASH: Final = """\
_preg() {
    local line=${COMP_LINE:0:COMP_POINT} words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    mapfile -t COMPREPLY < <(preg completion --complete -- "${words[@]:1}" 2> /dev/null)
    # bash takes a colon or an equals sign for the end of a word.
    local last=${words[-1]}
    COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*[:=]}"}"}")
}
complete -o default -F _preg preg
"""
_ZSH: Final = """\
#compdef preg
_preg() {
    local -a found
    found=(${(f)"$(preg completion --complete -- "${(@)words[2,CURRENT]}" 2> /dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _preg preg
"""
_FISH: Final = """\
complete -c preg -a '(preg completion --complete -- (commandline -opc)[2..-1] (commandline -ct) 2> /dev/null)'
"""
_SHELLS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}

USAGE: Final = Usage(
    "completion SHELL",
    f"Print what lets a shell complete the words of a preg command: {', '.join(_SHELLS)}.",
    (Option("--complete", "Print what the last of the words behind -- may become; this is how shells ask"),),
    notes="""
Examples:
  source <(preg completion bash)      # in ~/.bashrc
  source <(preg completion zsh)       # in ~/.zshrc, behind compinit
  preg completion fish | source       # in ~/.config/fish/config.fish
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    if "--complete" in options:
        sys.stdout.writelines(f"{word}\n" for word in complete(options.operands))
        return 0
    (shell,) = options.operands
    if shell not in _SHELLS:
        raise UsageError(f"there is no completion for {shell!r}, but for {', '.join(_SHELLS)}")
    sys.stdout.write(_SHELLS[shell])
    return 0


def complete(words: list[str]) -> list[str]:
    """List what the last word may become, given those before it."""
    *before, started = words
    return sorted(word for word in _candidates(before, started) if word.startswith(started))


def _candidates(before: list[str], started: str) -> Iterable[str]:
    command, before = named(before)
    if command is None:
        depth = len(before)
        names = [name.split() for name in (*(c.name for c in COMMANDS), *ALIASES)]
        return {name[depth] for name in names if name[:depth] == before and len(name) > depth}
    usage = _usage(command)
    if usage is None:
        return ()
    options, given = _named(usage), before[len(command.name.split()) :]
    if given and given[-1] in options and options[given[-1]].value:
        return _values(options[given[-1]].value)
    name, equals, _ = started.partition("=")
    if equals:
        return [f"{name}={value}" for value in _values(options[name].value)] if name in options else ()
    if started.startswith("-"):
        return [name for name in options if name.startswith("--")]
    return _values(_operand(usage, options, given))


def _usage(command: Command) -> Usage | None:
    """Give what a command understands; the registry's have parsers of their own."""
    if not command.entry.startswith("runtime."):
        return None
    usage = getattr(import_module(command.entry.partition(":")[0]), "USAGE", None)
    return usage if isinstance(usage, Usage) else None


def _named(usage: Usage) -> dict[str, Option]:
    return {name: option for option in (*usage.options, HELP) for name in (option.name, option.short) if name}


def _operand(usage: Usage, options: dict[str, Option], given: list[str]) -> str:
    """Give what the synopsis calls the operand that comes next; empty if none does."""
    count, value_follows = 0, False
    for word in given:
        if not value_follows and not word.startswith("-"):
            count += 1
        value_follows = not value_follows and word in options and bool(options[word].value)
    names = [n for n in usage.synopsis.split()[len(usage.command.split()) :] if not n.startswith("[OPTION")]
    if count >= len(names) and not (names and names[-1].endswith("...")):
        return ""
    return names[min(count, len(names) - 1)]


def _values(name: str) -> Iterable[str]:
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


_SOURCES: Final[dict[str, Callable[[], Iterable[str]]]] = {
    "CONTAINER": _containers,
    "IMAGE": _images,
    "POLICY": lambda: POLICIES,
    "RUNTIME": lambda: KNOWN,
    "SHELL": lambda: _SHELLS,
}
