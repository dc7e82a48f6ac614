"""``preg network inspect``: tell all about networks."""

from contextlib import suppress
from typing import Any, Final

from runtime.cli.options import Option, Usage
from runtime.cli.table import print_found
from runtime.cli.targets import here, networks
from runtime.cli.times import show_time
from runtime.containers import Containers
from runtime.network.endpoints import Endpoints
from runtime.network.networks import PREDEFINED, Network

USAGE: Final = Usage(
    "network inspect [OPTION...] NETWORK...",
    "Tell all about networks, as JSON with Docker's names.",
    (Option("--format", "json, or the fields to print with tabs between, as Name,Containers", "FORMAT", "-f"),),
    notes="""
Examples:
  preg network inspect backend
  preg network inspect -f Name,IPAM.Config backend
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    containers, known = here(), networks()

    def find(word: str) -> dict[str, Any]:
        if word in PREDEFINED:
            return {"Name": word, "Id": PREDEFINED[word], "Scope": "local", "Driver": word, "Containers": {}}
        network = known.find(word)
        return _describe(network, containers, Endpoints(known.state, network.id))

    return print_found(find, options.operands, options.last("--format"))


def _describe(network: Network, containers: Containers, members: Endpoints) -> dict[str, Any]:
    inside = {}
    for endpoint in members:
        with suppress(FileNotFoundError):
            inside[endpoint.container] = {
                "Name": containers.get(endpoint.container).describe().name,
                "MacAddress": endpoint.mac,
                "IPv4Address": f"{endpoint.address}/{endpoint.prefix}",
                "IPv6Address": "",
            }
    ranged = {"IPRange": network.ip_range} if network.ip_range != network.subnet else {}
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": show_time(network.created),
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Config": [{"Subnet": network.subnet, **ranged, "Gateway": network.gateway}],
        },
        "Internal": network.internal,
        "Containers": inside,
        "Options": {"com.docker.network.bridge.name": network.interface},
        "Labels": network.labels,
    }
