"""``preg pause``: stop all processes of running containers where they are."""

from __future__ import annotations

from runtime.cli.options import Usage
from runtime.cli.targets import each, here
from runtime.stop import freeze

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "pause CONTAINER...",
    "Stop all processes of running containers where they are.",
    notes="""
Example:
  preg pause web
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    return each(containers, options.operands, lambda container: freeze(containers, container, frozen=True))
