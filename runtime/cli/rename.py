"""``preg rename``: give a container another name."""

from __future__ import annotations

from runtime.cli.options import Usage
from runtime.cli.targets import here
from runtime.containers import plain_name
from runtime.leftovers import undisturbed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

USAGE: Final = Usage(
    "rename CONTAINER NAME",
    "Give a container another name.",
    notes="""
Example:
  preg rename web web-old
""",
    operands=(2, 2),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    word, name = USAGE.parse(arguments).operands
    containers = here()
    container = containers.find(word)
    # One that is just being started would be known to its networks by the old name.
    with undisturbed(containers, container):
        containers.rename(container, plain_name(name))
    return 0
