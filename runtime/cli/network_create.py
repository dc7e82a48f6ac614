"""``preg network create``: make a network."""

import sys
from typing import Final

from runtime import config
from runtime.cli.labels import read_labels
from runtime.cli.options import Option, Options, Usage
from runtime.errors import UsageError
from runtime.network.definition import Wanted, make
from runtime.network.driver_options import HOST_BINDING, ICC, MASQUERADE, MTU, NAME, split
from runtime.network.networks import Networks

USAGE: Final = Usage(
    "network create [OPTION...] NETWORK",
    "Make a network whose containers find each other by name, and print its ID.",
    (
        Option("--subnet", "Take these addresses (default: some that are free on this host)", "ADDRESS/PREFIX"),
        Option("--gateway", "This host's address in it (default: the first)", "ADDRESS"),
        Option("--ip-range", "Give containers addresses of this part of the subnet", "ADDRESS/PREFIX"),
        Option("--aux-address", "Give this address of the subnet to no container", "NAME=ADDRESS"),
        Option("--internal", "Let nothing in or out"),
        Option("--opt", "An option of the bridge, by Docker's name (see below)", "NAME=VALUE", "-o"),
        Option("--attachable", "Noted for Docker's sake: containers can always be connected"),
        Option("--ipv4", "On, for there are IPv4 networks only"),
        Option("--ipv6", "Refused: networks have IPv4 addresses only for now"),
        Option("--label", "Note something about it", "NAME[=VALUE]"),
        Option("--driver", "bridge, which is the only one", "DRIVER", "-d"),
        Option("--ipam-driver", "default, which is the only one", "DRIVER"),
    ),
    notes=f"""
Options of the bridge: {NAME} is its interface, {MTU} its largest packet; with
{ICC}=false containers do not reach each other, with
{MASQUERADE}=false others see containers' own addresses;
{HOST_BINDING} is where ports are published that name no address.

Examples:
  preg network create backend
  preg network create --subnet 10.20.0.0/24 --internal database
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    _refuse_others(options)
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
            options=split(options.all("--opt")),
            reserved=split(options.all("--aux-address")),
            attachable="--attachable" in options,
        ),
    )
    sys.stdout.write(f"{network.id}\n")
    return 0


def _refuse_others(options: Options) -> None:
    for option, only in (("--driver", "bridge"), ("--ipam-driver", "default")):
        if (options.last(option) or only) != only:
            raise UsageError(f"{option} {options.last(option)}: there is only {only}")
    if "--ipv6" in options or options.last("--ipv4") == "false":
        raise UsageError("--ipv6: networks have IPv4 addresses only for now")
