"""``preg attach``: see what a running container prints, and type to it."""

from __future__ import annotations

import sys

from runtime import cgroup
from runtime import frames as f
from runtime.attach import visit
from runtime.cli.options import Option, Usage
from runtime.cli.shared_options import DETACH_KEYS, MANNER, SIG_PROXY
from runtime.cli.targets import here
from runtime.container import RUNNING
from runtime.errors import Fault
from runtime.lean import to_json
from runtime.leftovers import undisturbed
from runtime.manner import Detached, Manner, open_pipes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.container import Container, Description
    from runtime.containers import Containers

USAGE: Final = Usage(
    "attach [OPTION...] CONTAINER",
    "Be at the other end of a running container's standard streams, until it ends.",
    (DETACH_KEYS, Option("--no-stdin", "Type nothing to it"), SIG_PROXY),
    notes="""
Exit status: that of the container, or 1 if it was left by the keys for that.

Example:
  preg attach --no-stdin web
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    manner, container = MANNER.read(options, Manner()), containers.find(options.operands[0])
    try:
        return attach(containers, container, manner, stdin="--no-stdin" not in options)
    except Detached as left:
        sys.stderr.write(f"{left}\n")
        return 1


def attach(containers: Containers, container: Container, manner: Manner, *, stdin: bool) -> int:
    """Be at the other end of a container's streams until it ends: its exit status. Raises Fault, and Detached."""
    with undisturbed(containers, container) as state:
        description = container.describe()
    if state.status != RUNNING:
        raise Fault(
            f"the container {description.name} is not running: 'preg start -a' starts it and shows what it prints"
        )
    if cgroup.is_frozen(container.group):
        raise Fault(f"the container {description.name} is paused: 'preg unpause {description.name}' lets it go on")
    stdin = stdin and description.stdin
    check_stdin(description, stdin=stdin)
    session, pipes = visit(container), open_pipes(stdin=stdin, shown=manner.shown)
    if session is None or session.ask(f.ATTACH, to_json(pipes.streams).encode(), pipes)[0] != f.DONE:
        raise Fault(f"the container {description.name} has ended just now")
    containers.note(container, "attach")
    return session.relay(pipes, terminal=description.terminal, manner=manner, redraw=True)


def check_stdin(description: Description, *, stdin: bool) -> None:
    """Raise Fault if a container has a terminal, and is to be typed to from something else."""
    if stdin and description.terminal and not sys.stdin.isatty():
        raise Fault(f"the container {description.name} has a terminal, and standard input is none: pass nothing on")
