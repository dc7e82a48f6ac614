"""``preg kill``: send signals to running containers."""

from __future__ import annotations

from runtime.cli.options import Option, Usage
from runtime.cli.targets import each_at_once, here
from runtime.errors import Fault, UsageError
from runtime.signals import read_signal
from runtime.stop import kill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "kill [OPTION...] CONTAINER...",
    "Send a signal to the first process of running containers.",
    (Option("--signal", "The signal's name or number (default: KILL)", "SIGNAL", "-s"),),
    notes="""
Example:
  preg kill -s HUP web
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    try:
        number = read_signal(options.last("--signal") or "KILL")
    except UsageError as error:
        raise Fault(str(error)) from error  # with docker's exit status for it
    containers = here()
    return each_at_once(containers, options.operands, lambda container: kill(containers, container, number))
