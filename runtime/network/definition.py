"""How a network is defined: by what was asked, and a subnet that nothing else on this host has."""

from __future__ import annotations

import os
import time

from runtime.errors import Fault, UsageError
from runtime.lean import NamedTuple
from runtime.network.addresses import Subnet, choose_subnet, read_address, read_subnet, show
from runtime.network.driver_options import NAME, read_options
from runtime.network.networks import PREDEFINED, Network, is_name
from runtime.network.plan import DEFAULT
from runtime.network.rtnetlink import Links
from runtime.network.slirp import SUBNET
from runtime.rootless import privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.network.networks import Networks


class Wanted(NamedTuple):
    """What is asked of a new network; empty leaves it to us."""

    name: str
    labels: dict[str, str]
    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    internal: bool = False
    options: dict[str, str] = {}  # noqa: RUF012 - never changed
    reserved: dict[str, str] = {}  # noqa: RUF012 - never changed
    attachable: bool = False


def make(networks: Networks, wanted: Wanted) -> Network:
    """Make a network. Raises Fault if its name or its subnet is taken, UsageError if it makes no sense."""
    if not is_name(wanted.name):
        raise UsageError(f"{wanted.name!r} cannot be a network's name: letters and digits, behind the first also . _ -")
    with networks.changing():
        if wanted.name in (DEFAULT, *PREDEFINED) or networks.has(wanted.name):
            raise Fault(f"the network {wanted.name!r} is there already: remove it, or take another name")
        network = define(networks, wanted)
        networks.write(network)
    networks.note(network, "create")
    return network


def define(networks: Networks, wanted: Wanted) -> Network:
    """Choose what was not asked for, while nobody else does. Raises Fault, and UsageError."""
    links = Links()
    routes = [Subnet(route.destination, route.prefix) for route in links.routes()]
    if not privileges().of_host:
        routes.append(SUBNET)  # which a hub is in
    taken = [*networks.subnets(), *routes]
    if wanted.subnet:
        subnet = read_subnet(wanted.subnet, "--subnet")
        _check_free(subnet, networks, routes)
    elif wanted.gateway or wanted.ip_range or wanted.reserved:
        raise UsageError("--gateway, --ip-range and --aux-address are in a subnet: give that by --subnet")
    else:
        subnet = choose_subnet(taken)
    identifier = os.urandom(32).hex()
    interface = read_options(wanted.options).name or f"preg-{identifier[:8]}"
    if links.find(interface) is not None or interface in {network.interface for network in networks}:
        raise Fault(f"--opt {NAME}={interface}: there is an interface of this name already: take another")
    links.close()
    _check_reserved(subnet, wanted.reserved)
    _, gateway, ip_range = _addresses(subnet, wanted.name, wanted.gateway, wanted.ip_range)
    return Network(
        id=identifier,
        name=wanted.name,
        created=time.time(),
        interface=interface,
        internal=wanted.internal,
        chosen=not wanted.subnet,
        labels=wanted.labels,
        subnet=str(subnet),
        gateway=gateway,
        ip_range=ip_range,
        options=wanted.options,
        reserved=wanted.reserved,
        attachable=wanted.attachable,
    )


def _check_reserved(subnet: Subnet, reserved: dict[str, str]) -> None:
    for name, address in reserved.items():
        if not name or not address or read_address(address, f"--aux-address {name}=") not in subnet:
            raise UsageError(f"--aux-address {name}={address}: it is NAME=ADDRESS, an address of {subnet}")


def move(networks: Networks, network: Network, taken: list[Subnet]) -> Network:
    """Give a network whose subnet somebody else uses now another, while nobody else chooses one. Raises Fault."""
    if not network.chosen:
        raise Fault(
            f"the subnet {network.subnet} of the network {network.name!r} is in use on this host: remove"
            " the network, or what uses its addresses ('ip route')"
        )
    subnet, gateway, ip_range = _addresses(choose_subnet(taken), network.name, "", "")
    moved = network._replace(subnet=subnet, gateway=gateway, ip_range=ip_range)
    networks.write(moved)
    return moved


def _addresses(subnet: Subnet, name: str, gateway: str, ip_range: str) -> tuple[str, str, str]:
    if subnet.prefix > 30:
        raise UsageError(f"--subnet {subnet}: it is too small for a network, which takes four addresses at least")
    pool = read_subnet(ip_range, "--ip-range") if ip_range else subnet
    own = read_address(gateway, "--gateway") if gateway else subnet.network + 1
    if own not in subnet or own in (subnet.network, subnet.last):
        raise UsageError(f"--gateway {gateway}: it is no address of a host in {subnet}")
    if pool.network not in subnet or pool.last not in subnet:
        raise UsageError(f"--ip-range {ip_range}: it is not within {subnet}, the subnet of {name!r}")
    return str(subnet), show(own), str(pool)


def _check_free(subnet: Subnet, networks: Networks, routes: list[Subnet]) -> None:
    for network in networks:
        if network.range.overlaps(subnet):
            raise Fault(f"--subnet {subnet} overlaps {network.subnet} of the network {network.name!r}: take another")
    for route in routes:
        # A route that is wider is how the host reaches others; a part of that may well be here.
        if route.overlaps(subnet) and route.prefix >= subnet.prefix:
            raise Fault(f"--subnet {subnet} overlaps {route}, which this host has a route to: take another")
