"""``preg restart``: end containers and start them again."""

from __future__ import annotations

from runtime.cli.options import Usage
from runtime.cli.start import enter_for_each, start_again
from runtime.cli.stop import TERMS, read_terms
from runtime.cli.targets import each, here
from runtime.stop import restart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.container import Container
    from runtime.containers import Containers
    from runtime.stop import Terms

USAGE: Final = Usage(
    "restart [OPTION...] CONTAINER...",
    "End containers as 'preg stop' does, and start them again, also those that do not run.",
    TERMS,
    notes="""
Example:
  preg restart -t 30 db
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    terms, containers = read_terms(options), here()
    enter_for_each(containers, options.operands)
    return each(containers, options.operands, lambda container: _restart(containers, container, terms))


def _restart(containers: Containers, container: Container, terms: Terms) -> None:
    if not restart(containers, container, terms):
        start_again(containers, container)
