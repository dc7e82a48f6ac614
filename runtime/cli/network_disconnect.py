"""``preg network disconnect``: take a container out of a network."""

from typing import Final

from runtime.cli.options import Option, Usage
from runtime.cli.targets import here, networks
from runtime.leftovers import undisturbed
from runtime.network.connection import disconnect

USAGE: Final = Usage(
    "network disconnect [OPTION...] NETWORK CONTAINER",
    "Take a container out of a network, at once if it runs.",
    (Option("--force", "Accepted for Docker's sake: nothing keeps a container in", short="-f"),),
    notes="""
Example:
  preg network disconnect backend postgres
""",
    operands=(2, 2),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    containers, known = here(), networks()
    container, network = containers.find(options.operands[1]), known.find(options.operands[0])
    with undisturbed(containers, container):
        disconnect(known, container, network)
    return 0
