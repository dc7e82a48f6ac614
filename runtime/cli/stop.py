"""``preg stop``: end running containers."""

from __future__ import annotations

from runtime.cli.options import Option, Usage
from runtime.cli.targets import each, here
from runtime.errors import UsageError
from runtime.stop import stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

TIME: Final = Option("--time", "Kill those that have not ended by then; -1 is never", "SECONDS", "-t")
USAGE: Final = Usage(
    "stop [OPTION...] CONTAINER...",
    "Ask containers to end, and kill those that do not. They are not started again by their restart policies.",
    (TIME,),
    notes="""
Examples:
  preg stop -t 30 db
  preg stop $(preg ps -q)
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    seconds, containers = read_seconds(options.last("--time")), here()
    return each(containers, options.operands, lambda container: stop(containers, container, seconds))


def read_seconds(text: str | None) -> int | None:
    """Read what ``--time`` was given. Raises UsageError."""
    if text is None:
        return None
    if text != "-1" and not text.isdecimal():
        raise UsageError(f"--time {text}: it is a number of seconds, or -1")
    return int(text)
