"""``preg start``: start containers that do not run."""

from __future__ import annotations

import os

from runtime import config
from runtime.cli.options import Option, Usage
from runtime.cli.shared_options import MANNER
from runtime.cli.targets import each, here
from runtime.errors import Fault, UsageError
from runtime.hire import hire
from runtime.launch import start
from runtime.lean import suppress
from runtime.leftovers import hold, look
from runtime.manner import Detached, Manner, open_pipes
from runtime.network.plan import read_plan
from runtime.network.sandbox import enter_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.container import Container, State
    from runtime.containers import Containers

USAGE: Final = Usage(
    "start [OPTION...] CONTAINER...",
    "Start containers that were created, or have ended.",
    (
        Option("--attach", "Show what it prints, and end with its exit status", short="-a"),
        Option("--interactive", "Pass standard input on", short="-i"),
        *MANNER.options,
    ),
    notes="""
Examples:
  preg start web db
  preg start -a -i shell
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    enter_for_each(containers, options.operands)
    if "--attach" not in options and "--interactive" not in options:
        return each(containers, options.operands, lambda container: start_again(containers, container))
    if len(options.operands) > 1:
        raise UsageError("only one container can be attached to at once")
    container = containers.find(options.operands[0])
    manner = MANNER.read(options, Manner())
    try:
        return _start_attached(containers, container, manner, stdin="--interactive" in options)
    except Detached:
        return 0


def enter_for_each(containers: Containers, words: list[str]) -> None:
    """Become root, if we are not, where the containers that are named can be started, as far as they can be found."""
    plans = []
    for word in words if os.geteuid() != 0 else ():
        with suppress(Fault):
            plans.append(read_plan(containers.find(word).directory))
    enter_for(config.load(), plans)


def start_again(containers: Containers, container: Container) -> None:
    """Start a container and let it go on alone. It is no fault if it runs. Raises Fault."""
    before = look(containers, container)
    if before.alive:
        return
    with hire() as supervisor:
        held = _hold(containers, container, before)
        if held is None:
            return
        try:
            start(config.load(), container, held, supervisor)
        finally:
            os.close(held)


def _hold(containers: Containers, container: Container, before: State) -> int | None:
    """Take responsibility for a container that did not run; None if another command has started it meanwhile."""
    held = hold(containers, container)
    if held is not None and container.state().started != before.started:
        os.close(held)
        return None
    return held


def _start_attached(containers: Containers, container: Container, manner: Manner, *, stdin: bool) -> int:
    from runtime.cli.attach import attach, check_stdin  # noqa: PLC0415 - most are started to go on alone

    before = look(containers, container)
    if before.alive:
        return attach(containers, container, manner, stdin=stdin)
    description = container.describe()
    check_stdin(description, stdin=stdin and description.stdin)
    with hire() as supervisor:
        held = _hold(containers, container, before)
        if held is None:
            return attach(containers, container, manner, stdin=stdin)
        pipes = open_pipes(stdin=stdin and description.stdin, shown=manner.shown)
        try:
            session = start(config.load(), container, held, supervisor, pipes)
        finally:
            os.close(held)
        return session.relay(pipes, terminal=description.terminal, manner=manner)
