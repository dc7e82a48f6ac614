"""``preg network inspect``: tell all about networks."""

import json
import sys
from contextlib import suppress
from typing import Any, Final

from runtime.cli.options import Option, Usage
from runtime.cli.table import select
from runtime.cli.targets import here, networks
from runtime.cli.times import show_time
from runtime.containers import Containers
from runtime.errors import Fault
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
    containers, known, form = here(), networks(), options.last("--format")
    found, status = [], 0
    for word in options.operands:
        try:
            if word in PREDEFINED:
                found.append({"Name": word, "Id": PREDEFINED[word], "Scope": "local", "Driver": word, "Containers": {}})
            else:
                network = known.find(word)
                found.append(_describe(network, containers, Endpoints(known.state, network.id)))
        except Fault as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = 1
    if form is None:
        sys.stdout.write(json.dumps(found, indent=4, ensure_ascii=False) + "\n")
    for document in found if form is not None else ():
        sys.stdout.write(select(document, form or "") + "\n")
    return status


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
