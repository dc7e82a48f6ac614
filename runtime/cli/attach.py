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
from runtime.leftovers import look
from runtime.manner import Detached, Manner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "attach [OPTION...] CONTAINER",
    "Be at the other end of a running container's standard streams, until it ends.",
    (DETACH_KEYS, Option("--no-stdin", "Type nothing to it"), SIG_PROXY),
    notes="""
Exit status: that of the container.

Example:
  preg attach --no-stdin web
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    manner, container = MANNER.read(options, Manner()), containers.find(options.operands[0])
    state, description = look(containers, container), container.describe()
    if state.status != RUNNING:
        raise Fault(
            f"the container {description.name} is not running: 'preg start -a' starts it and shows what it prints"
        )
    if cgroup.is_frozen(container.id):
        raise Fault(f"the container {description.name} is paused: 'preg unpause {description.name}' lets it go on")
    stdin = description.stdin and "--no-stdin" not in options
    if stdin and description.terminal and not sys.stdin.isatty():
        raise Fault(f"the container {description.name} has a terminal, and standard input is none: give --no-stdin")
    session = visit(container)
    if session is None:
        raise Fault(f"the container {description.name} has ended just now")
    session.send(f.ATTACH)
    containers.note(container, "attach")
    try:
        return session.relay(stdin=stdin, terminal=description.terminal, manner=manner)
    except Detached:
        sys.stderr.write("read escape sequence\n")
        return 0
