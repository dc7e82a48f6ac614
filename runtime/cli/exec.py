"""``preg exec``: run one more command in a container that runs."""

from __future__ import annotations

import sys

from runtime import config
from runtime.attach import our_size
from runtime.cli.options import Option, Usage
from runtime.cli.shared_options import DETACH_KEYS, MANNER, VARIABLES
from runtime.containers import Containers
from runtime.errors import Fault
from runtime.execute import Execution, execute
from runtime.manner import NO_PIPES, Detached, Manner, open_pipes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "exec [OPTION...] CONTAINER COMMAND [ARGUMENT...]",
    "Run one more command in a container that runs, with the rights that the container has.",
    (
        Option("--detach", "Let the command go on alone", short="-d"),
        DETACH_KEYS,
        Option("--interactive", "Pass standard input on", short="-i"),
        Option("--tty", "Give it a terminal", short="-t"),
        *VARIABLES.options,
        Option("--user", "Run it as this user, of the container's /etc/passwd or by number", "USER[:GROUP]", "-u"),
        Option("--workdir", "Start in this directory", "DIR", "-w"),
        Option("--privileged", "Give it all of root's rights"),
    ),
    notes="""
Exit status: that of the command, or 128 plus the number of the signal that ended it; 127 if it was not found, 126 if
it cannot be executed or there is no such user, 1 if the container does not run, or the command was left by its keys.

Examples:
  preg exec -it web sh
  preg exec -u postgres db psql -c 'select 1'
""",
    operands=(2, 2),
    command_follows=True,
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    detach, terminal = "--detach" in options, "--tty" in options
    stdin, manner = "--interactive" in options and not detach, MANNER.read(options, Manner())
    if terminal and stdin and not sys.stdin.isatty():
        raise Fault("-it needs a terminal on standard input, and there is none")
    place = config.load()
    containers = Containers(place.home, place.state)
    wanted = Execution(
        command=options.operands[1:],
        user=options.last("--user"),
        working_dir=options.last("--workdir"),
        terminal=terminal,
        size=our_size() if terminal else None,
        stdin=stdin,
        privileged="--privileged" in options,
    )
    wanted, container = VARIABLES.read(options, wanted), containers.find(options.operands[0])
    pipes = NO_PIPES if detach else open_pipes(stdin=stdin, shown=manner.shown)
    session = execute(containers, container, wanted, pipes)
    if detach:
        session.leave()
        return 0
    try:
        return session.relay(pipes, terminal=terminal, manner=manner)
    except Detached as left:
        sys.stderr.write(f"{left}\n")
        return 1
