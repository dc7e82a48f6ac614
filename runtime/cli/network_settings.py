"""The network of a container as ``preg inspect`` tells it, in the names of Docker's API."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from runtime.container import Container
from runtime.containers import Containers
from runtime.errors import Fault
from runtime.network.endpoints import Endpoint, endpoints_of
from runtime.network.networks import PREDEFINED, Networks
from runtime.network.plan import BRIDGES, DEFAULT, SHARED, Plan


def show_settings(networks: Networks, container: Container, plan: Plan) -> dict[str, Any]:
    """Give ``NetworkSettings``: what the container has now, or the names of what it will have."""
    endpoints = endpoints_of(networks.state, container.id)
    ports: dict[str, list[dict[str, str]] | None] = dict.fromkeys(plan.exposed) if endpoints else {}
    for port in (port for endpoint in endpoints for port in endpoint.published):
        binding = {"HostIp": port.address, "HostPort": f"{port.host_port}"}
        ports[port.inside] = [*(ports.get(port.inside) or []), binding]
    first = _show_endpoint(endpoints[0]) if endpoints else _NOTHING
    named = {name: _NOTHING | {"NetworkID": network} for name, network in networks_of(networks, plan, endpoints)}
    named |= {endpoint.network_name: _show_endpoint(endpoint) for endpoint in endpoints}
    own = {name: first[name] for name in ("Gateway", "IPAddress", "IPPrefixLen", "MacAddress")}
    return {"SandboxKey": f"{container.running}/netns", "Ports": ports, **own, "Networks": named}


def show_bindings(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """Give ``PortBindings``: what is to be published."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for publish in plan.published():
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


_NOTHING: dict[str, Any] = {
    "Aliases": [],
    "NetworkID": "",
    "Gateway": "",
    "IPAddress": "",
    "IPPrefixLen": 0,
    "MacAddress": "",
}


def _show_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "Aliases": list(endpoint.names) if endpoint.resolves else [],
        "NetworkID": endpoint.network,
        "Gateway": endpoint.gateway,
        "IPAddress": endpoint.address,
        "IPPrefixLen": endpoint.prefix,
        "MacAddress": endpoint.mac,
    }


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
