"""A network as the kernel has it: a bridge with this host's address in the network, and the rules of it.

It is made when the first container joins, and stays until the network is removed or the host goes down. A bridge that
is not switched on is one that somebody was making who was killed.
"""

from __future__ import annotations

import os
import sys

from runtime.errors import Fault
from runtime.events import record
from runtime.lean import suppress
from runtime.network.endpoints import Endpoints
from runtime.network.namespace import UPLINK, among_bridges
from runtime.network.networks import PREDEFINED
from runtime.network.nftables import Firewall
from runtime.network.plan import DEFAULT
from runtime.network.rtnetlink import Links
from runtime.removal import remove_tree
from runtime.rootless import privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.network.networks import Network, Networks
    from runtime.network.rtnetlink import Link

_SYSCTL = "/proc/sys/net"


def bring_up(
    networks: Networks, network: Network, members: Endpoints, links: Links, firewall: Firewall
) -> tuple[Network, int]:
    """Make sure that a network is there, while nobody else joins or leaves it.

    Give the network, which may have had to move to another subnet, and the number of its bridge. Raises Fault.
    """
    link = links.find(network.interface)
    if link is not None and not _is_ours(link, network):
        raise Fault(
            f"the interface {network.interface} of the network {network.name!r} is somebody else's now: remove it, or"
            " the network"
        )
    if link is None or not link.up:
        with networks.changing():
            if link is not None:
                links.delete(network.interface)
            network = _make(networks, network, links)
            link = links.get(network.interface)
    # Whoever loads a firewall's rules anew may flush ours.
    if not firewall.has(network.table):
        _add_rules(network, members, firewall)
    firewall.let_through(network.interface)
    _forward()
    return network, link.number


def renew_rules(networks: Networks) -> bool:
    """Make the rules of all networks anew that have some; False if a network keeps its old ones, which is told."""
    made, done = [network for network in networks if _has_rules(network)], True
    for network in made:
        members, firewall = Endpoints(networks.state, network.id), Firewall()
        with members.changing():
            try:
                if firewall.has(network.table):
                    _add_rules(network, members, firewall)
            except OSError as error:
                sys.stderr.write(f"preg: warning: the network {network.name!r} keeps its old rules: {error.strerror}\n")
                done = False
        firewall.close()
    return done


def _has_rules(network: Network) -> bool:
    """Tell whether a network has rules; without nftables, or the right to use them, none can have any."""
    with suppress(OSError):
        firewall = Firewall()
        try:
            return firewall.has(network.table)
        finally:
            firewall.close()
    return False


def _add_rules(network: Network, members: Endpoints, firewall: Firewall) -> None:
    uplink = "" if privileges().of_host else UPLINK
    firewall.add(network, uplink, [mapping for endpoint in members for mapping in endpoint.mappings])


def remove(networks: Networks, text: str) -> None:
    """Remove a network for good. Raises NotFound if there is none, and Fault if a container is in it."""
    if text in (DEFAULT, *PREDEFINED):
        raise Fault(f"the network {text!r} is predefined, and cannot be removed")
    network = networks.find(text)
    members = Endpoints(networks.state, network.id)
    with members.changing():
        if members.files():
            raise Fault(f"the network {network.name!r} has {len(members.files())} running containers: stop them first")
        among_bridges(networks.state, lambda: _tear_down(network), make=False)
        networks.forget(network)
        remove_tree(members.directory)
    networks.note(network, "destroy")


def prune(networks: Networks, is_asked_for: Callable[[Network], bool]) -> list[str]:
    """Remove the networks that no running container is in, of those that are asked for; give their names.

    Of the default network, which stays, this host keeps neither bridge nor rules then. Raises Fault.
    """
    removed = []
    for network in networks:
        if network.name == DEFAULT:
            _put_away(networks, network)
        elif is_asked_for(network):
            with suppress(Fault):  # it is in use, or was removed just now
                remove(networks, network.name)
                removed.append(network.name)
    record(networks.home, "prune", "", {"reclaimed": "0"}, kind="network")
    return removed


def _put_away(networks: Networks, network: Network) -> None:
    """Take down the bridge and the rules of a network that no container is in; the next one has them made again."""
    members = Endpoints(networks.state, network.id)
    with members.changing():
        if not members.files():
            among_bridges(networks.state, lambda: _tear_down(network), make=False)


def _tear_down(network: Network) -> None:
    from runtime.network import iptables  # noqa: PLC0415 - networks are made once

    links = Links()
    link = links.find(network.interface)
    if link is not None and _is_ours(link, network):
        links.delete(network.interface)
    links.close()
    if link is not None or _has_rules(network):
        firewall = Firewall()
        firewall.stop_letting_through(network.interface)
        iptables.stop_letting_through(network.interface)
        firewall.delete(network.table)
        firewall.close()


def _is_ours(link: Link, network: Network) -> bool:
    """Tell whether an interface is the network's bridge."""
    if network.interface == network.table:
        return True  # nobody else has such names
    from runtime.network.addresses import mac  # noqa: PLC0415 - few networks have a bridge of another name

    return link.address == mac(network.own_address)


def _make(networks: Networks, network: Network, links: Links) -> Network:
    from runtime.network import iptables  # noqa: PLC0415 - networks are made once
    from runtime.network.addresses import Subnet, mac  # noqa: PLC0415
    from runtime.network.definition import move  # noqa: PLC0415

    routes = [Subnet(route.destination, route.prefix) for route in links.routes()]
    subnet = network.range
    if any(route.overlaps(subnet) and (network.chosen or route.prefix >= subnet.prefix) for route in routes):
        network = move(networks, network, [*networks.subnets(but=network.id), *routes])
    name = network.interface
    index = links.add_bridge(name, mac(network.own_address), network.bridge.mtu)
    # Containers have no IPv6 for now, so the bridge must not be a way around what the rules say of IPv4.
    with suppress(FileNotFoundError):
        _write(f"ipv6/conf/{name}/disable_ipv6", "1")
    # So that a published port answers on 127.0.0.1; the rules shield what else listens there.
    _write(f"ipv4/conf/{name}/route_localnet", "1")
    links.add_address(index, network.own_address, network.range.prefix)
    iptables.let_through(name)
    links.set_up(index)
    return network


def _forward() -> None:
    """Have the kernel pass packets on between interfaces, as Docker does."""
    with open(f"{_SYSCTL}/ipv4/ip_forward", encoding="utf-8") as file:
        if file.read().strip() != "0":
            return
    try:
        _write("ipv4/ip_forward", "1")
    except OSError as error:
        raise Fault(
            f"this host does not pass on packets between networks, and it cannot be made to ({error.strerror}): set"
            " net.ipv4.ip_forward=1, or use --network none or host"
        ) from error


def _write(name: str, value: str) -> None:
    file = os.open(f"{_SYSCTL}/{name}", os.O_WRONLY)
    try:
        os.write(file, value.encode())
    finally:
        os.close(file)
