"""Docker's options before the command."""

from __future__ import annotations

import os

from runtime.cli.options import HelpWanted, Option, Usage
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_LEVELS: Final = ("debug", "info", "warn", "error", "fatal")
#: What names a daemon and how it is reached.
_DAEMON: Final = (
    Option("--host", "", "HOST", "-H"),
    Option("--tls", ""),
    Option("--tlsverify", ""),
    Option("--tlscacert", "", "FILE"),
    Option("--tlscert", "", "FILE"),
    Option("--tlskey", "", "FILE"),
)
#: What the help shows.
SHOWN: Final = (
    Option("--config", "Directory of Docker's config.json (default: $DOCKER_CONFIG, or ~/.docker)", "DIR"),
    Option("--debug", "Taken as docker takes it; preg has no other output for it", short="-D"),
    Option("--log-level", f"As above: {', '.join(_LEVELS)}", "LEVEL", "-l"),
    Option("--context", "default, which is this host", "NAME", "-c"),
    Option("--version", "Print the version in a line and exit", short="-v"),
)
_USAGE: Final = Usage("[OPTION...] COMMAND", "", (*SHOWN, *_DAEMON), operands=(0, 0), command_follows=True)


def obey(words: list[str]) -> list[str]:
    """Do what the options before the command say, and give the words from the command on. Raises UsageError."""
    try:
        options = _USAGE.parse(words)
    except HelpWanted:
        return ["--help"]
    context = options.last("--context")
    for option in _DAEMON if context in (None, "", "default") else (Option("--context", ""),):
        if options.all(option.name):
            raise UsageError(
                f"{option.name}: preg has no daemon and works on the host where it is called: call it there,"
                " e.g. ssh HOST preg ps"
            )
    level = options.last("--log-level")
    if level not in (None, *_LEVELS):
        raise UsageError(f"--log-level {level}: it is one of {', '.join(_LEVELS)}")
    if config := options.last("--config"):
        os.environ["DOCKER_CONFIG"] = os.path.abspath(config)
    return ["--version"] if "--version" in options else options.operands
