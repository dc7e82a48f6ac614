"""``preg run``: run a command in a new container."""

from __future__ import annotations

import os
import sys

from runtime import config
from runtime import frames as f
from runtime.cli.container_options import OPTIONS, make, read_wanted
from runtime.cli.options import Option, Usage
from runtime.cli.shared_options import MANNER, STREAMS
from runtime.containers import Containers
from runtime.errors import UsageError
from runtime.hire import hire, hire_ahead
from runtime.launch import start
from runtime.lean import suppress
from runtime.leftovers import sweep
from runtime.manner import NO_PIPES, Detached, Manner, open_pipes
from runtime.network.sandbox import enter_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "run [OPTION...] IMAGE [COMMAND [ARGUMENT...]]",
    "Run a command in a new container. An image that is not on this host is pulled.",
    (
        Option("--detach", "Print the container's ID and let it go on alone", short="-d"),
        *STREAMS.options,
        *MANNER.options,
        *OPTIONS,
    ),
    notes="""
Exit status: that of the command, or 128 plus the number of the signal that ended it; 127 if it was not found, 126 if
it cannot be executed, 125 if preg itself failed.

Examples:
  preg run --rm -it localhost:5000/alpine sh
  preg run --rm -v "$PWD:/work" -w /work localhost:5000/python:3.13 python3 build.py
  preg run --rm -m 512m --cpus 1.5 --cap-drop ALL --read-only --tmpfs /tmp localhost:5000/app
  preg run -d --name web --restart unless-stopped -p 8080:80 localhost:5000/app
""",
    operands=(1, 1),
    command_follows=True,
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    detach, terminal, stdin = "--detach" in options, "--tty" in options, "--interactive" in options
    manner = STREAMS.read(options, MANNER.read(options, Manner()))
    if detach and options.all("--attach"):
        raise UsageError("--detach and --attach exclude each other")
    if terminal and stdin and not detach and not sys.stdin.isatty():
        raise UsageError("-it needs a terminal on standard input, and there is none")
    here = config.load()
    containers = Containers(here.home, here.state)
    sweep(containers)
    typed = stdin and not detach
    wanted = read_wanted(
        options, typed=typed, shown=() if detach else [kind for kind in manner.shown if kind != f.STDIN]
    )
    enter_for(here, [wanted.network])
    hire_ahead()  # or a supervisor would begin with all that it takes to pull an image
    container, held = make(here, options, wanted)
    with hire() as supervisor:
        pipes = NO_PIPES if detach else open_pipes(stdin=typed, shown=manner.shown)
        try:
            session = start(here, container, held, supervisor, pipes)
        except BaseException:
            with suppress(FileNotFoundError):  # it is gone already
                if container.describe().remove:
                    containers.remove(container, volumes=True)
            raise
        finally:
            os.close(held)
        if detach:
            sys.stdout.write(f"{container.id}\n")
            return 0
        try:
            return session.relay(pipes, terminal=terminal, manner=manner)
        except Detached:
            return 0
