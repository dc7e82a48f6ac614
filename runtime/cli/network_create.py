"""``preg network create``: make a network."""

import sys
from typing import Final

from runtime import config
from runtime.cli.labels import read_labels
from runtime.cli.options import Option, Usage
from runtime.errors import UsageError
from runtime.network.definition import Wanted, make
from runtime.network.networks import Networks

USAGE: Final = Usage(
    "network create [OPTION...] NETWORK",
    "Make a network whose containers find each other by name, and print its ID.",
    (
        Option("--subnet", "Take these addresses (default: some that are free on this host)", "ADDRESS/PREFIX"),
        Option("--gateway", "This host's address in it (default: the first)", "ADDRESS"),
        Option("--ip-range", "Give containers addresses of this part of the subnet", "ADDRESS/PREFIX"),
        Option("--internal", "Let nothing in or out"),
        Option("--label", "Note something about it", "NAME[=VALUE]"),
        Option("--driver", "bridge, which is the only one", "DRIVER", "-d"),
    ),
    notes="""
Examples:
  preg network create backend
  preg network create --subnet 10.20.0.0/24 --internal database
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    driver = options.last("--driver") or "bridge"
    if driver != "bridge":
        raise UsageError(f"--driver {driver}: there are networks of the driver bridge only")
    here = config.load()
    network = make(
        Networks(here.home, here.state),
        Wanted(
            name=options.operands[0],
            labels=read_labels(options.all("--label")),
            subnet=options.last("--subnet") or "",
            gateway=options.last("--gateway") or "",
            ip_range=options.last("--ip-range") or "",
            internal="--internal" in options,
        ),
    )
    sys.stdout.write(f"{network.id}\n")
    return 0
