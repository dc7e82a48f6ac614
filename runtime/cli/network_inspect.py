"""``preg network inspect``: tell all about networks."""

from contextlib import suppress
from typing import Any, Final

from runtime.cli.network_settings import endpoint_id
from runtime.cli.options import Usage
from runtime.cli.table import DOCUMENT_FORMAT, print_found
from runtime.cli.targets import here, networks
from runtime.cli.times import show_time
from runtime.containers import Containers
from runtime.network.driver_options import HOST_BINDING, ICC, MASQUERADE, MTU, NAME
from runtime.network.endpoints import Endpoints
from runtime.network.networks import PREDEFINED, Network, Networks
from runtime.network.plan import DEFAULT
from runtime.network.ports import ANY

#: What is the same of all networks.
_SAME: Final[dict[str, Any]] = {
    "Scope": "local",
    "EnableIPv4": True,
    "EnableIPv6": False,
    "Ingress": False,
    "ConfigFrom": {"Network": ""},
    "ConfigOnly": False,
}
_OF_DEFAULT: Final = {
    "com.docker.network.bridge.default_bridge": "true",
    ICC: "true",
    MASQUERADE: "true",
    HOST_BINDING: ANY,
    MTU: "1500",
}
USAGE: Final = Usage(
    "network inspect [OPTION...] NETWORK...",
    "Tell all about networks, as JSON with Docker's names.",
    (DOCUMENT_FORMAT,),
    notes="""
Examples:
  preg network inspect backend
  preg network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' backend
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    containers, known = here(), networks()
    form = options.last("--format")
    return print_found(lambda word: describe_network(containers, known, word), options.operands, form)


def describe_network(containers: Containers, known: Networks, word: str) -> dict[str, Any]:
    """Find a network, and put together what is known of it. Raises Fault."""
    if word in PREDEFINED:
        return _describe_predefined(word)
    network = known.find(word)
    return _describe(network, containers, Endpoints(known.state, network.id))


def _describe_predefined(name: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Id": PREDEFINED[name],
        "Created": show_time(0),
        "Driver": "null" if name == "none" else name,
        **_SAME,
        "IPAM": {"Driver": "default", "Options": None, "Config": []},
        "Internal": False,
        "Attachable": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }


def _describe(network: Network, containers: Containers, members: Endpoints) -> dict[str, Any]:
    inside = {}
    for endpoint in members:
        with suppress(FileNotFoundError):
            inside[endpoint.container] = {
                "Name": containers.get(endpoint.container).describe().name,
                "EndpointID": endpoint_id(endpoint),
                "MacAddress": endpoint.mac,
                "IPv4Address": f"{endpoint.address}/{endpoint.prefix}",
                "IPv6Address": "",
            }
    ranged = {"IPRange": network.ip_range} if network.ip_range != network.subnet else {}
    reserved = {"AuxiliaryAddresses": network.reserved} if network.reserved else {}
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": show_time(network.created),
        "Driver": "bridge",
        **_SAME,
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": [{"Subnet": network.subnet, **ranged, "Gateway": network.gateway, **reserved}],
        },
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Containers": inside,
        "Options": {**(_OF_DEFAULT if network.name == DEFAULT else {}), NAME: network.interface, **network.options},
        "Labels": network.labels,
    }
