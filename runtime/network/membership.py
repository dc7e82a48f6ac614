"""A container in a network of bridges: it joins with an address, a cable and its published ports, and leaves again."""

from __future__ import annotations

import errno
import os

from runtime.errors import Fault
from runtime.kernel import join_network
from runtime.lean import contextmanager
from runtime.network.addresses import choose_address, mac, read_address, read_mac, show, show_mac
from runtime.network.bridge import bring_up
from runtime.network.endpoints import Endpoint, Endpoints, endpoints_of
from runtime.network.namespace import among_bridges
from runtime.network.nftables import Firewall
from runtime.network.plan import DEFAULT
from runtime.network.rtnetlink import Links
from runtime.rootless import privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.network.networks import BridgeOptions, Network, Networks
    from runtime.network.plan import Attachment
    from runtime.network.sandbox import Member


def join(networks: Networks, attachment: Attachment, member: Member) -> None:
    """Put a container into a network. Raises Fault."""
    network = networks.find(attachment.network)
    try:
        among_bridges(networks.state, lambda: _join(networks, network, attachment, member))
    except OSError as error:
        raise Fault(
            f"the network {network.name!r} cannot be set up on this host ({error.strerror}): it needs bridges, veth and"
            " nftables with NAT in the kernel, which --network host and none do without"
        ) from error


def _join(networks: Networks, network: Network, attachment: Attachment, member: Member) -> None:
    members = Endpoints(networks.state, network.id)
    links, firewall = Links(), Firewall()
    with members.changing():
        # It may have been removed while we waited.
        network, bridge = bring_up(networks, networks.find(attachment.network), members, links, firewall)
        endpoint = _choose(networks, network, attachment, member)
        members.write(endpoint)
        _plug_in(networks.state, endpoint, links, bridge, network.bridge, member.namespace)
        _publish(networks.state, endpoint, firewall)
        members.announce(endpoint)
    endpoint.note(networks.home, "connect")
    links.close()
    firewall.close()


def _publish(state: str, endpoint: Endpoint, firewall: Firewall) -> None:
    if endpoint.hub and endpoint.ports:
        from runtime.network import hub  # noqa: PLC0415 - not for root

        hub.publish(state, endpoint)
    firewall.publish(endpoint.bridge, endpoint.mappings)
    if udp := {mapping.host_port for mapping in endpoint.mappings if mapping.protocol == "udp"}:
        from runtime.network.conntrack import forget_udp  # noqa: PLC0415 - most ports are of TCP

        forget_udp(udp)


def leave(networks: Networks, endpoint: Endpoint, namespace: int) -> None:
    """Take a container that runs out of a network; what is for elsewhere goes by another of its networks then."""
    among_bridges(networks.state, lambda: _leave(networks, endpoint, namespace))


def _leave(networks: Networks, endpoint: Endpoint, namespace: int) -> None:
    members = Endpoints(networks.state, endpoint.network)
    links = Links()
    with members.changing():
        links.delete(endpoint.cable)
        members.remove(endpoint)
        members.tell(endpoint, [])
    endpoint.note(networks.home, "disconnect")
    links.close()
    first = min(endpoints_of(networks.state, endpoint.container), key=lambda other: other.rank, default=None)
    if first is not None and first.gateway:
        with _links_inside(namespace) as inside:
            inside.replace_default_route(read_address(first.gateway, "the network's gateway"))


def move_ports(networks: Networks, old: Endpoint | None, new: Endpoint) -> None:
    """Publish in another network what a container publishes in one; without ``old`` it is in ``new`` already."""
    among_bridges(networks.state, lambda: _move_ports(networks.state, old, new))


def _move_ports(state: str, old: Endpoint | None, new: Endpoint) -> None:
    if old is not None:
        members = Endpoints(state, old.network)
        with members.changing():
            members.withdraw(old)
            members.write(old._replace(ports=[], exposed=[]))
    members, firewall = Endpoints(state, new.network), Firewall()
    with members.changing():
        members.write(new)
        _publish(state, new, firewall)
    firewall.close()


def _choose(networks: Networks, network: Network, attachment: Attachment, member: Member) -> Endpoint:
    members = Endpoints(networks.state, network.id)
    taken = {read_address(address, "the endpoint's address"): owner for address, owner in members.files()}
    if member.container.id in taken.values():
        raise Fault(f"the container is in the network {network.name!r} already")
    if attachment.address:
        address = read_address(attachment.address, "--ip")
        if not network.range.network < address < network.range.last:
            raise Fault(f"--ip {attachment.address} is not in {network.subnet}, the subnet of {network.name!r}")
        if address in {*taken, *network.kept}:
            raise Fault(f"--ip {attachment.address} is in use in the network {network.name!r}: take another")
    else:
        address = choose_address(network.pool, network.range, {*taken, *network.kept}, members.last)
        members.note_last(address)
    resolves = network.name != DEFAULT
    names = [member.name, *attachment.aliases, *member.own_names, member.container.short_id] if resolves else []
    links: list[list[str]] = []
    if attachment.links:
        from runtime.network.links import links_of  # noqa: PLC0415 - few have any

        links = links_of(networks, attachment, taken.values(), resolves=resolves)
    return Endpoint(
        network=network.id,
        network_name=network.name,
        bridge=network.table,
        cable=f"v{network.id[:6]}{address:08x}",
        container=member.container.id,
        address=show(address),
        prefix=network.range.prefix,
        gateway="" if network.internal else network.gateway,
        mac=show_mac(read_mac(attachment.mac) if attachment.mac else mac(address)),
        names=list(dict.fromkeys(names)),
        hosts=f"{member.container.directory}/hosts",
        resolves=resolves,
        ports=[port.words for port in member.ports],
        exposed=list(member.exposed),
        hub=not privileges().of_host,
        own_names=member.own_names,
        priority=attachment.priority,
        links=links,
    )


def _plug_in(  # noqa: PLR0913, PLR0917 - both ends of a cable
    state: str, endpoint: Endpoint, links: Links, bridge: int, options: BridgeOptions, namespace: int
) -> None:
    with _links_inside(namespace) as inside:
        name = next(f"eth{n}" for n in range(1000) if inside.find(f"eth{n}") is None)

        def add() -> None:
            links.add_pair(endpoint.cable, bridge, namespace, name, read_mac(endpoint.mac), options.mtu)

        try:
            add()
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            # Of a container that had this address, and whose namespace is still being put away.
            links.delete(endpoint.cable)
            add()
        if not options.icc:
            links.isolate_port(endpoint.cable)
        index = inside.get(name).number
        inside.add_address(index, read_address(endpoint.address, "the endpoint's address"), endpoint.prefix)
        inside.set_up(index)
        gateway = read_address(endpoint.gateway, "the network's gateway") if endpoint.gateway else 0
        if gateway and not inside.add_default_route(gateway):
            others = endpoints_of(state, endpoint.container)
            if min(others, key=lambda other: other.rank).network == endpoint.network:
                inside.replace_default_route(gateway)


@contextmanager
def _links_inside(namespace: int) -> Iterator[Links]:
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        join_network(namespace)
        links = Links()
    finally:
        join_network(ours)
        os.close(ours)
    try:
        yield links
    finally:
        links.close()
