"""The ``preg`` command. A command's module is imported when it is asked for, and no other."""

from __future__ import annotations

import gc
import os
import sys

from runtime.cli.options import HelpWanted, load_function
from runtime.cli.terminal import filter_output
from runtime.errors import Fault, UsageError, in_words
from runtime.lean import NamedTuple, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_HIRE: Final = "runtime.hire:hire_ahead"
_OPEN_WORKSHOP: Final = "runtime.workshop:open_ahead"
_HASTEN: Final = "runtime.cgroup:hasten"


class Command(NamedTuple):
    """A word of ``preg``. ``entry`` is ``module:function``, a function of the arguments that gives the exit status."""

    name: str
    entry: str
    summary: str
    fault_status: int = 1
    """The exit status when preg itself fails, where that must differ from what a container may give."""
    ahead: str = ""
    """A function without arguments that begins what can be done while the command is still being imported."""


#: The commands in the groups that the help shows. A name of two words is a command of a family, as ``network create``.
GROUPS: Final = {
    "Containers": (
        Command("run", "runtime.cli.run:main", "Run a command in a new container", 125, _HIRE),
        Command("create", "runtime.cli.create:main", "Make a container without starting it"),
        Command("start", "runtime.cli.start:main", "Start containers that do not run", ahead=_HIRE),
        Command("stop", "runtime.cli.stop:main", "End running containers"),
        Command("kill", "runtime.cli.kill:main", "Send signals to running containers"),
        Command("wait", "runtime.cli.wait:main", "Wait until containers end"),
        Command("rm", "runtime.cli.rm:main", "Remove containers"),
        Command("container prune", "runtime.cli.container_prune:main", "Remove the containers that do not run"),
        Command("exec", "runtime.cli.exec:main", "Run one more command in a running container", ahead=_HASTEN),
        Command("attach", "runtime.cli.attach:main", "Be at the other end of a running container's streams"),
        Command("restart", "runtime.cli.restart:main", "End containers and start them again"),
        Command("pause", "runtime.cli.pause:main", "Stop the processes of containers where they are"),
        Command("unpause", "runtime.cli.unpause:main", "Let paused containers go on"),
        Command("update", "runtime.cli.update:main", "Change limits and restart policies of containers"),
        Command("rename", "runtime.cli.rename:main", "Give a container another name"),
        Command("ps", "runtime.cli.ps:main", "List containers"),
        Command("port", "runtime.cli.port:main", "List the published ports of a container"),
        Command("logs", "runtime.cli.logs:main", "Show what a container has printed"),
        Command("top", "runtime.cli.top:main", "List the processes of a container"),
        Command("stats", "runtime.cli.stats:main", "Show what containers use of this host"),
        Command("events", "runtime.cli.events:main", "Tell what happens to containers"),
        Command("cp", "runtime.cli.cp:main", "Copy between this host and a container"),
        Command("diff", "runtime.cli.diff:main", "Tell what a container has changed of its image"),
        Command("inspect", "runtime.cli.inspect:main", "Tell all about containers and images"),
    ),
    "Images": (
        Command("pull", "runtime.cli.pull:main", "Fetch an image from a registry", ahead=_OPEN_WORKSHOP),
        Command("push", "runtime.cli.push:main", "Send an image to a registry"),
        Command("images", "runtime.cli.images:main", "List the images on this host"),
        Command("history", "runtime.cli.history:main", "Tell how an image was made"),
        Command("save", "runtime.cli.save:main", "Write images to an archive"),
        Command("load", "runtime.cli.load:main", "Take in images from an archive"),
        Command("rmi", "runtime.cli.rmi:main", "Remove images, or names of them"),
        Command("tag", "runtime.cli.tag:main", "Give an image another name"),
        Command("prune", "runtime.cli.prune:main", "Remove images without a name, and what nothing needs"),
        Command("manifest inspect", "runtime.cli.manifest_inspect:main", "Show what a registry has of an image"),
        Command("login", "runtime.cli.login:main", "Log in to a registry"),
        Command("logout", "runtime.cli.logout:main", "Forget the login to a registry"),
    ),
    "Networks": (
        Command("network create", "runtime.cli.network_create:main", "Make a network"),
        Command("network ls", "runtime.cli.network_ls:main", "List the networks"),
        Command("network inspect", "runtime.cli.network_inspect:main", "Tell all about networks"),
        Command("network connect", "runtime.cli.network_connect:main", "Put a container into another network"),
        Command("network disconnect", "runtime.cli.network_disconnect:main", "Take a container out of a network"),
        Command("network rm", "runtime.cli.network_rm:main", "Remove networks"),
        Command("network prune", "runtime.cli.network_prune:main", "Remove the networks that nobody uses"),
    ),
    "Volumes": (
        Command("volume create", "runtime.cli.volume_create:main", "Make a volume"),
        Command("volume ls", "runtime.cli.volume_ls:main", "List the volumes"),
        Command("volume inspect", "runtime.cli.volume_inspect:main", "Tell all about volumes"),
        Command("volume rm", "runtime.cli.volume_rm:main", "Remove volumes"),
        Command("volume prune", "runtime.cli.volume_prune:main", "Remove the volumes that nothing uses"),
    ),
    "This host": (
        Command("info", "runtime.cli.info:main", "Tell what is on this host, and what it can do"),
        Command("system df", "runtime.cli.system_df:main", "Show what takes room on this host, and what could go"),
        Command("system prune", "runtime.cli.system_prune:main", "Remove all that nothing uses"),
        Command("system check", "runtime.cli.system_check:main", "Find what is damaged or left over, and mend it"),
        Command("system restore", "runtime.cli.system_restore:main", "Start what ran when the host went down"),
        Command("version", "runtime.cli.version:main", "Tell which preg this is"),
        Command("completion", "runtime.cli.completion:main", "Have a shell complete the words of a command"),
    ),
    # Named by a string: the server is a room of its own, which the runtime does not know.
    "The registry": (
        Command("serve", "registry.cli:main", "Start the registry"),
        Command("storage", "registry.storage_cli:main", "Check where a registry is to keep its content"),
        Command("user", "registry.user_cli:main", "Manage who may log in to a registry"),
        Command("key", "registry.key_cli:main", "Manage API keys for machines"),
        Command("auth", "registry.auth_cli:main", "Explain what a registry allows to whom", 2),
    ),
}
_VERSION: Final = Command("--version", "runtime.cli.version:in_a_line", "")
COMMANDS: Final = tuple(command for group in GROUPS.values() for command in group)


def program() -> None:
    """Be the program: do what ``main`` does, and end."""
    # As often as Python does it by itself, it would look through all that a start imports, where there is no garbage.
    gc.set_threshold(10_000)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # It is closed, and another file that we open would have its number.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as we go on
    filter_output()
    # What we make is for nobody but its owner to write to, even if the caller's own files are not.
    os.umask(os.umask(0o022) | 0o022)
    status = main()
    if "threading" in sys.modules:
        sys.exit(status)  # after the threads, and what modules have put off until then
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # A quick command has nothing to wait for, and Python would take as long to take itself apart as to begin.
    os._exit(status)


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the arguments name (default: those of the process) and give its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    command: Command | None = None
    try:
        command, words = find(words)
        status = _run(command, words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who reads our output has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (Fault, OSError) as fault:
        sys.stderr.write(f"preg: {' '.join(in_words(fault).split())}\n")
        return _status(command, fault)
    return status


def find(words: list[str]) -> tuple[Command | None, list[str]]:
    """Give the command that the words name, and the words from its own name on; no command if there is none.

    Raises UsageError for options before it that cannot be obeyed.
    """
    if words and words[0].startswith("-") and words[0] not in ("-h", "--help"):
        from runtime.cli.global_options import obey  # noqa: PLC0415 - few are given any

        words = obey(words)
        if words == ["--version"]:
            return _VERSION, words
    elif words[:1] == ["help"] and words[1:]:
        words = [*words[1:], "--help"]
    return named(words)


def named(words: list[str]) -> tuple[Command | None, list[str]]:
    """Give the command that the first words name, also by another name; and the words with its own name instead."""
    for command in COMMANDS:
        name = command.name.split()
        if words[: len(name)] == name:
            return command, words
    from runtime.cli.aliases import expand  # noqa: PLC0415 - most commands are called by their own names

    meant = expand(words)
    return (None, words) if meant is words else named(meant)


def _run(command: Command | None, words: list[str]) -> int:
    if command is None:
        from runtime.cli.help import help_instead  # noqa: PLC0415 - for those who do not know what to do

        sys.stdout.write(help_instead(words))
        return 0
    if command.ahead and "--help" not in words:
        load_function(command.ahead)()
    try:
        status: int = load_function(command.entry)(words[len(command.name.split()) :])
    except HelpWanted as help_wanted:
        from runtime.cli.help import aliases_text  # noqa: PLC0415 - for those who want to know

        sys.stdout.write(f"{help_wanted}{aliases_text(command.name)}")
        return 0
    except ImportError:
        from runtime.cli.rooms import check_rooms  # noqa: PLC0415 - where all is lost anyway

        check_rooms()
        raise
    return status


def _status(command: Command | None, fault: Exception) -> int:
    if isinstance(fault, Fault) and fault.status is not None:
        return fault.status
    if command is not None and command.fault_status != 1:
        return command.fault_status
    return 2 if isinstance(fault, UsageError) else 1
