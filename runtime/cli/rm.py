"""``preg rm``: remove containers."""

from __future__ import annotations

from runtime.cli.options import Option, Usage
from runtime.cli.targets import each_at_once, here
from runtime.rootless import enter
from runtime.stop import remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "rm [OPTION...] CONTAINER...",
    "Remove containers, with all that they have written outside of volumes.",
    (
        Option("--force", "Kill those that run; it is no fault if there is none", short="-f"),
        Option("--volumes", "Remove their volumes as well that have no name", short="-v"),
    ),
    notes="""
Examples:
  preg rm -f web
  preg rm $(preg ps -aq --filter status=exited)
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    enter()
    force, volumes = "--force" in options, "--volumes" in options
    return each_at_once(
        containers,
        options.operands,
        lambda container: remove(containers, container, force=force, volumes=volumes),
        missing=0 if force else 1,
    )
