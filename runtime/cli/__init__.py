"""The ``preg`` command. A command's module is imported when it is asked for, and no other."""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from runtime.cli.options import HelpWanted
from runtime.errors import CommandFailed, Fault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOMS: Final = ("storage", "auth", "registry")


class Command(NamedTuple):
    """A word of ``preg``. ``entry`` is ``module:function``, a function of the arguments that gives the exit status."""

    name: str
    entry: str
    summary: str
    fault_status: int = 1
    """The exit status when preg itself fails, where that must differ from what a container may give."""


COMMANDS: Final = (
    Command("pull", "runtime.cli.pull:main", "Fetch an image from a registry"),
    Command("push", "runtime.cli.push:main", "Send an image to a registry"),
    Command("images", "runtime.cli.images:main", "List the images on this host"),
    Command("run", "runtime.cli.run:main", "Run a command in a new container", 125),
    Command("login", "runtime.cli.login:main", "Log in to a registry"),
    Command("logout", "runtime.cli.logout:main", "Forget the login to a registry"),
    Command("create", "runtime.cli.create:main", "Make a container without starting it"),
    Command("start", "runtime.cli.start:main", "Start containers that do not run"),
    Command("stop", "runtime.cli.stop:main", "End running containers"),
    Command("kill", "runtime.cli.kill:main", "Send signals to running containers"),
    Command("wait", "runtime.cli.wait:main", "Wait until containers end"),
    Command("rm", "runtime.cli.rm:main", "Remove containers"),
    Command("ps", "runtime.cli.ps:main", "List containers"),
    Command("logs", "runtime.cli.logs:main", "Show what a container has printed"),
    Command("inspect", "runtime.cli.inspect:main", "Tell all about containers"),
    # Named by a string: the server is a room of its own, which the runtime does not know.
    Command("serve", "registry.cli:main", "Start the registry"),
    Command("storage", "registry.storage_cli:main", "Check where a registry is to keep its content"),
    Command("user", "registry.user_cli:main", "Manage who may log in to a registry"),
    Command("key", "registry.key_cli:main", "Manage API keys for machines"),
    Command("auth", "registry.auth_cli:main", "Explain what a registry allows to whom", 2),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name (default: those of the process) and give its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    name = words[0] if words else "--help"
    command = next((c for c in COMMANDS if c.name == name), None)
    try:
        status = _run(command, name, words[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who reads our output has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (Fault, OSError) as fault:
        sys.stderr.write(f"preg: {' '.join(_describe(fault).split())}\n")
        return _status(command, fault)
    return status


def _run(command: Command | None, name: str, arguments: list[str]) -> int:
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if command is None:
        raise UsageError(f"there is no command {name!r}; 'preg --help' lists those there are")
    _check_rooms()
    try:
        return _load(command.entry)(arguments)
    except HelpWanted as help_wanted:
        sys.stdout.write(str(help_wanted))
        return 0


def _load(entry: str) -> "Callable[[list[str]], int]":
    module, _, function = entry.partition(":")
    return cast("Callable[[list[str]], int]", getattr(import_module(module), function))


def _check_rooms() -> None:
    """Stop where another distribution's package of the same name would be imported instead of ours."""
    home = Path(__file__).parents[2]
    for room in _ROOMS:
        spec = find_spec(room)
        if spec is None or spec.origin is None or Path(spec.origin).parents[1] != home:
            found = "nowhere" if spec is None else f"at {spec.origin}"
            raise Fault(f"the package {room!r} of preg was found {found}: install preg in an environment of its own")


def _status(command: Command | None, fault: Exception) -> int:
    if isinstance(fault, CommandFailed):
        return fault.status
    if command is not None and command.fault_status != 1:
        return command.fault_status
    return 2 if isinstance(fault, UsageError) else 1


def _describe(fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror
    return str(fault)


def _help() -> str:
    rows = "".join(f"  {c.name:<10}{c.summary}\n" for c in COMMANDS)
    return f"Usage: preg COMMAND [ARGUMENT...]\n\nCommands:\n{rows}\n'preg COMMAND --help' tells more of each.\n"
