"""``preg network prune``: remove the networks that nobody uses."""

from typing import Final

from runtime.cli.options import Usage
from runtime.cli.pruning import FILTER, FORCE, AskedFor, Pruned, agreed, list_removed, read_asked_for
from runtime.cli.targets import here, networks
from runtime.network.bridge import prune

USAGE: Final = Usage(
    "network prune [OPTION...]",
    "Remove every network that no running container is in, and what this host keeps of the default one.",
    (FILTER, FORCE),
    notes="""
Examples:
  preg network prune -f
  preg network prune --filter until=24h --filter label!=keep
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    is_asked_for = read_asked_for(options)
    here()  # without those that have been killed
    if not agreed(options, "all networks that no running container is in"):
        return 1
    list_removed(prune_networks(is_asked_for))
    return 0


def prune_networks(is_asked_for: AskedFor) -> Pruned:
    """Remove the networks that no running container is in."""
    return Pruned("Networks", prune(networks(), lambda network: is_asked_for(network.created, network.labels)))
