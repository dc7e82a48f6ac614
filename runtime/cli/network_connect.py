"""``preg network connect``: put a container into another network."""

from typing import Final

from runtime.cli.network_options import check_default, read_links, read_priority
from runtime.cli.options import Option, Usage
from runtime.cli.targets import here, networks
from runtime.leftovers import undisturbed
from runtime.network.addresses import read_address
from runtime.network.connection import connect
from runtime.network.plan import DEFAULT, Attachment

USAGE: Final = Usage(
    "network connect [OPTION...] NETWORK CONTAINER",
    "Put a container into another network as well, at once if it runs, and whenever it starts.",
    (
        Option("--alias", "Another name that the network knows it by", "NAME"),
        Option("--ip", "Its address in the network", "ADDRESS"),
        Option("--link", "A name of its own for another container", "CONTAINER[:ALIAS]"),
        Option("--gw-priority", "The network of the highest has its default route (default: 0)", "NUMBER"),
    ),
    notes="""
Example:
  preg network connect --alias db backend postgres
""",
    operands=(2, 2),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    containers, known = here(), networks()
    network = known.find(options.operands[0])
    aliases, address = options.all("--alias"), options.last("--ip") or ""
    if network.name == DEFAULT:
        check_default(aliases, address)
    if address:
        read_address(address, "--ip")
    attachment = Attachment(
        DEFAULT if network.name == DEFAULT else network.id,
        aliases,
        address,
        priority=read_priority(options.last("--gw-priority") or "0", "--gw-priority"),
        links=read_links(options.all("--link")),
    )
    container = containers.find(options.operands[1])
    with undisturbed(containers, container):
        connect(known, container, attachment)
    return 0
