"""``preg port``: list the published ports of a container."""

import sys
from typing import Final

from runtime.cli.options import Usage
from runtime.cli.targets import here, networks
from runtime.errors import Fault
from runtime.network.endpoints import endpoints_of
from runtime.network.ports import read_exposed

USAGE: Final = Usage(
    "port CONTAINER [PORT[/PROTOCOL]]",
    "List the ports of this host that lead to a container, or to one port of it.",
    notes="""
Examples:
  preg port web
  preg port web 80
""",
    operands=(1, 2),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    name, *wanted = USAGE.parse(arguments).operands
    container = here().find(name)
    ports = [port for endpoint in endpoints_of(networks().state, container.id) for port in endpoint.published]
    if not wanted:
        sys.stdout.writelines(f"{port.inside} -> {port.outside}\n" for port in sorted(ports, key=lambda p: p.port))
        return 0
    (inside,) = read_exposed(wanted[0], "the port")
    found = [port.outside for port in ports if port.inside == inside]
    if not found:
        raise Fault(f"the container {name} has no published port {inside}")
    sys.stdout.writelines(f"{outside}\n" for outside in found)
    return 0
