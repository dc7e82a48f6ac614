"""The network namespace of a container: made before the container, and kept by its supervisor through all restarts."""

from __future__ import annotations

import errno
import os

from runtime.container import Container
from runtime.errors import Fault
from runtime.kernel import join_network, unshare_network
from runtime.lean import NamedTuple, contextmanager, suppress
from runtime.network import hosts, slirp
from runtime.network.addresses import choose_address, mac, read_address, read_mac, show, show_mac
from runtime.network.bridge import bring_up
from runtime.network.conntrack import forget_udp
from runtime.network.endpoints import Endpoint, Endpoints
from runtime.network.networks import DEFAULT, ROOTS_OWN
from runtime.network.nftables import Firewall
from runtime.network.plan import HOST, SHARED, read_plan
from runtime.network.reservation import reserve
from runtime.network.rtnetlink import LOOPBACK, Links
from runtime.rootless import privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from runtime.container import Description
    from runtime.network.networks import Network, Networks
    from runtime.network.plan import Attachment, Plan
    from runtime.network.ports import Port


class Sandbox(NamedTuple):
    """What a container's supervisor has to hold so that the container has its network."""

    namespace: int | None = None
    """An open file of the network namespace; None if it is the host's."""
    sockets: Sequence[socket.socket] = ()
    """They keep the published ports from others."""

    @property
    def files(self) -> list[int]:
        """All of that, the namespace first."""
        namespace = [] if self.namespace is None else [self.namespace]
        return [*namespace, *(held.fileno() for held in self.sockets)]

    def close(self) -> None:
        """Let go of it, which the supervisor has not, if there is one."""
        if self.namespace is not None:
            os.close(self.namespace)
        for held in self.sockets:
            held.close()


def prepare(networks: Networks, container: Container, description: Description) -> Sandbox:
    """Make the network of a container that is being started. Raises Fault, and ``release`` is due then."""
    plan = read_plan(container.directory)
    if plan.kind == HOST:
        return Sandbox()
    of_host = privileges().of_host
    if plan.kind == SHARED:
        if not of_host:
            raise Fault("--network container:NAME takes root: without it each container has a network of its own")
        return Sandbox(namespace_of(Container(networks.home, networks.state, plan.container)))
    ports, sockets = reserve(plan.published())
    namespace = make_namespace()
    if not of_host:
        for held in sockets:  # the program that leads to the container is to have the ports
            held.close()
        return _connect_without_root(networks, container, description, plan, ports, namespace)
    sandbox = Sandbox(namespace, sockets)
    try:
        member = member_of(container, description, namespace)._replace(ports=ports, exposed=plan.exposed)
        for attachment in plan.attachments:
            join(networks, attachment, member)
            member = member._replace(ports=(), exposed=())
    except BaseException:
        sandbox.close()
        raise
    return sandbox


def _connect_without_root(  # noqa: PLR0913, PLR0917 - those of ``prepare``, and what it has made
    networks: Networks, container: Container, description: Description, plan: Plan, ports: list[Port], namespace: int
) -> Sandbox:
    if not plan.attachments:
        return Sandbox(namespace)
    (attachment, *others) = plan.attachments
    try:
        if others or attachment.network != DEFAULT:
            raise Fault(ROOTS_OWN)
        endpoint = Endpoint(
            network=networks.find(DEFAULT).id,
            network_name=DEFAULT,
            bridge="",
            cable="",
            container=container.id,
            address=slirp.ADDRESS,
            prefix=slirp.PREFIX,
            gateway=slirp.GATEWAY,
            mac=attachment.mac or show_mac(mac(read_address(slirp.ADDRESS, "the address"))),
            names=[member_of(container, description, namespace).host_name],
            hosts=f"{container.directory}/hosts",
            resolves=False,
            ports=[port.words for port in ports],
            exposed=list(plan.exposed),
        )
        lifeline = slirp.connect(namespace, endpoint.mac, ports, container.running)
        members = Endpoints(networks.state, endpoint.network)
        with members.changing():
            members.write(endpoint)
        members.tell(endpoint, [endpoint.line])
    except BaseException:
        os.close(namespace)
        raise
    return Sandbox(namespace, [lifeline])


class Member(NamedTuple):
    """A container as a network sees it."""

    container: Container
    host_name: str
    name: str
    namespace: int
    """An open file of its network namespace."""
    ports: Sequence[Port] = ()
    """What is published in this network."""
    exposed: Sequence[str] = ()


def member_of(container: Container, description: Description, namespace: int) -> Member:
    """Give what a network has to know of a container."""
    return Member(container, description.wishes.get("hostname") or container.short_id, description.name, namespace)


def make_namespace() -> int:
    """Make a network namespace in which loopback is up, and give an open file of it."""
    if not privileges().of_host:
        return _make_namespace_aside()
    ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _make_namespace_here()
    finally:
        join_network(ours)
        os.close(ours)


def _make_namespace_aside() -> int:
    """Have a thread make it: who is not the host's root does not get back into the host's."""
    from threading import Thread  # noqa: PLC0415 - not for root

    made: list[int] = []
    thread = Thread(target=lambda: made.append(_make_namespace_here()))
    thread.start()
    thread.join()
    if not made:
        raise Fault("the container's network namespace could not be made")
    return made[0]


def _make_namespace_here() -> int:
    unshare_network()
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with suppress(OSError), open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as file:
        file.write("1")  # of interfaces to come: networks have IPv4 only
    links = Links()
    links.set_up(LOOPBACK)
    links.close()
    return namespace


def join(networks: Networks, attachment: Attachment, member: Member) -> None:
    """Put a container into a network. Raises Fault."""
    if not privileges().of_host:
        raise Fault(ROOTS_OWN)
    network = networks.find(attachment.network)
    try:
        _join(networks, network, attachment, member)
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
        network = bring_up(networks, networks.find(network.id), members, links, firewall)
        endpoint = _choose(members, network, attachment, member)
        members.write(endpoint)
        _plug_in(endpoint, links, member.namespace)
        firewall.publish(endpoint.bridge, endpoint.mappings)
        if udp := {port.host_port for port in endpoint.published if port.protocol == "udp"}:
            forget_udp(udp)
        if endpoint.resolves:
            members.tell_names()
        else:
            hosts.update(endpoint.hosts, endpoint.network_name, [endpoint.line])
    links.close()
    firewall.close()


def leave(networks: Networks, endpoint: Endpoint) -> None:
    """Take a container that runs out of a network."""
    members = Endpoints(networks.state, endpoint.network)
    links = Links()
    with members.changing():
        links.delete(endpoint.cable)
        members.remove(endpoint)
        members.tell(endpoint, [])
    links.close()


def namespace_of(container: Container) -> int:
    """Open the network namespace of a container that runs. Raises Fault."""
    try:
        return os.open(f"{container.running}/netns", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Fault(f"the container {container.short_id} does not run, so nothing can be plugged into it") from error


def _choose(members: Endpoints, network: Network, attachment: Attachment, member: Member) -> Endpoint:
    taken = {read_address(address, "the endpoint's address"): owner for address, owner in members.files()}
    if member.container.id in taken.values():
        raise Fault(f"the container is in the network {network.name!r} already")
    if attachment.address:
        address = read_address(attachment.address, "--ip")
        if not network.range.network < address < network.range.last:
            raise Fault(f"--ip {attachment.address} is not in {network.subnet}, the subnet of {network.name!r}")
        if address in {*taken, network.own_address}:
            raise Fault(f"--ip {attachment.address} is in use in the network {network.name!r}: take another")
    else:
        address = choose_address(network.pool, network.range, {*taken, network.own_address}, members.last)
        members.note_last(address)
    resolves = network.name != DEFAULT
    names = [member.host_name]
    if resolves:
        names = [member.name, *attachment.aliases, member.host_name, member.container.short_id]
    return Endpoint(
        network=network.id,
        network_name=network.name,
        bridge=network.interface,
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
    )


def _plug_in(endpoint: Endpoint, links: Links, namespace: int) -> None:
    bridge = links.get(endpoint.bridge).number
    with _links_inside(namespace) as inside:
        name = next(f"eth{n}" for n in range(1000) if inside.find(f"eth{n}") is None)
        try:
            links.add_pair(endpoint.cable, bridge, namespace, name, read_mac(endpoint.mac))
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
            # Of a container that had this address, and whose namespace is still being put away.
            links.delete(endpoint.cable)
            links.add_pair(endpoint.cable, bridge, namespace, name, read_mac(endpoint.mac))
        index = inside.get(name).number
        inside.add_address(index, read_address(endpoint.address, "the endpoint's address"), endpoint.prefix)
        inside.set_up(index)
        if endpoint.gateway:
            inside.add_default_route(read_address(endpoint.gateway, "the network's gateway"))


@contextmanager
def _links_inside(namespace: int) -> Iterator[Links]:
    ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
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
