"""``preg network prune``: remove the networks that nobody uses."""

import sys
from typing import Final

from runtime.cli.filters import fits_labels, passes, read_filters
from runtime.cli.options import Option, Usage
from runtime.cli.pruning import FORCE, agreed
from runtime.cli.targets import here, networks
from runtime.cli.times import read_time
from runtime.network.bridge import prune
from runtime.network.networks import Network

USAGE: Final = Usage(
    "network prune [OPTION...]",
    "Remove every network that no running container is in, and what this host keeps of the default one.",
    (
        Option(
            "--filter",
            "Only those made before (until=10m, until=2026-01-31), or with a label",
            "KEY=VALUE",
            "",
            ("until", "label", "label!"),
        ),
        FORCE,
    ),
    notes="""
Examples:
  preg network prune -f
  preg network prune --filter until=24h --filter label!=keep
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    filters = read_filters(options, ("until", "label", "label!"))
    times = {value: read_time(value, "--filter until=") for key, value in filters if key == "until"}
    here()  # without those that have been killed

    def is_asked_for(network: Network) -> bool:
        def holds(key: str, value: str) -> bool:
            return network.created * 1e9 <= times[value] if key == "until" else fits_labels(network.labels, key, value)

        return passes(filters, holds)

    if not agreed(options, "all networks that no running container is in"):
        return 1
    if removed := prune(networks(), is_asked_for):
        sys.stdout.writelines(f"{line}\n" for line in ("Deleted Networks:", *removed, ""))
    return 0
