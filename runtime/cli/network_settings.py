"""The network of a container as ``preg inspect`` tells it, in the names of Docker's API."""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.lean import suppress
from runtime.network.endpoints import Endpoint, endpoints_of
from runtime.network.networks import PREDEFINED, Networks
from runtime.network.plan import BRIDGES, DEFAULT, SHARED, Attachment, Plan
from runtime.network.ports import read_publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.container import Container
    from runtime.containers import Containers


def show_settings(networks: Networks, container: Container, plan: Plan) -> dict[str, Any]:
    """Give ``NetworkSettings``: what the container has now, or the names of what it will have."""
    endpoints = endpoints_of(networks.state, container.id)
    ports: dict[str, list[dict[str, str]] | None] = dict.fromkeys(plan.exposed) if endpoints else {}
    for port in (port for endpoint in endpoints for port in endpoint.published):
        binding = {"HostIp": port.address, "HostPort": f"{port.host_port}"}
        ports[port.inside] = [*(ports.get(port.inside) or []), binding]
    place = f"{container.running}/netns"
    runs = os.path.lexists(place)
    first = _show_endpoint(endpoints[0]) if endpoints else _NO_ENDPOINT
    return {
        "Bridge": "",
        "SandboxID": container.id if runs else "",
        "SandboxKey": place if runs else "",
        "HairpinMode": False,
        "Ports": ports,
        **_NO_IPV6,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{name: first[name] for name in _NO_ENDPOINT if name != "NetworkID"},
        "Networks": _show_networks(networks, plan, endpoints),
    }


def show_mode(networks: Networks, plan: Plan) -> str:
    """Give ``NetworkMode``: what ``--network`` said."""
    with suppress(Fault):
        if plan.kind == BRIDGES and plan.attachments:
            return networks.find(plan.attachments[0].network).name
    return plan.mode


def _show_networks(networks: Networks, plan: Plan, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    asked = {attachment.network: attachment for attachment in plan.attachments}
    there = {endpoint.network: _show_endpoint(endpoint) for endpoint in endpoints}
    names = {endpoint.network: list(endpoint.names) or None for endpoint in endpoints}
    return {
        name: {
            **_show_attachment(asked.get(identifier) or asked.get(name) or Attachment(identifier)),
            **_NO_IPV6,
            **there.get(identifier, _NO_ENDPOINT | {"NetworkID": identifier}),
            "DNSNames": names.get(identifier),
        }
        for name, identifier in networks_of(networks, plan, endpoints)
    }


def _show_attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "IPAMConfig": {"IPv4Address": attachment.address} if attachment.address else None,
        "Links": [text.partition(":")[0][:12] + ":" + text.partition(":")[2] for text in attachment.links] or None,
        "Aliases": list(attachment.aliases) or None,
        "DriverOpts": None,
        "GwPriority": attachment.priority,
    }


def show_bindings(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """Give ``PortBindings``: what is to be published."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for publish in (each for text in plan.publish for each in read_publish(text)):
        first, last = publish.first or "", publish.last
        host_port = f"{first}" if publish.first == last else f"{first}-{last}"
        inside = f"{publish.port}/{publish.protocol}"
        bindings.setdefault(inside, []).append({"HostIp": publish.address, "HostPort": host_port})
    return bindings


def show_links(containers: Containers, name: str, plan: Plan) -> list[str]:
    """Give ``Links``: those in the default network, by the names of both containers, as Docker has them there."""
    links = []
    for attachment in plan.attachments:
        for text in attachment.links if attachment.network == DEFAULT else ():
            identifier, _, alias = text.partition(":")
            with suppress(FileNotFoundError):
                links.append(f"/{containers.get(identifier).describe().name}:/{name}/{alias}")
    return links


_NO_IPV6: dict[str, Any] = {"IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0}
_NO_ENDPOINT: dict[str, Any] = {
    "NetworkID": "",
    "EndpointID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "MacAddress": "",
}


def _show_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "NetworkID": endpoint.network,
        "EndpointID": endpoint_id(endpoint),
        "Gateway": endpoint.gateway,
        "IPAddress": endpoint.address,
        "IPPrefixLen": endpoint.prefix,
        "MacAddress": endpoint.mac,
    }


def endpoint_id(endpoint: Endpoint) -> str:
    """Give what Docker calls it by; to preg it is the network and the container."""
    return f"{endpoint.network[:32]}{endpoint.container[:32]}"


def networks_of(networks: Networks, plan: Plan, endpoints: Sequence[Endpoint]) -> list[tuple[str, str]]:
    """List the networks that a container is in, or will be in when it runs, by name and ID."""
    if plan.kind == SHARED:
        return []
    if plan.kind != BRIDGES:
        return [(plan.kind, PREDEFINED[plan.kind])]
    found = {endpoint.network_name: endpoint.network for endpoint in endpoints}
    for attachment in plan.attachments:
        with suppress(Fault):
            network = networks.find(attachment.network)
            found[network.name] = network.id
    return list(found.items())
