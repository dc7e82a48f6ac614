"""``preg wait``: wait until containers end."""

from __future__ import annotations

from runtime.cli.options import Usage
from runtime.cli.targets import each, here
from runtime.stop import wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "wait CONTAINER...",
    "Wait until containers end, and print their exit statuses.",
    notes="""
Example:
  preg wait job
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    return each(containers, options.operands, lambda container: str(wait(containers, container)))
