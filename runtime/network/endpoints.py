"""Who is in a network: an endpoint for each container, with its address, its names and its published ports.

It is a file ``networks/ID/ADDRESS@CONTAINER`` below the state directory. Whoever joins or leaves a network holds a lock
on that directory. An endpoint is there no longer than ``containers/CONTAINER/`` beside it, so whoever puts away a
container that was killed takes its endpoints away, too.
"""

import os

from runtime.errors import Damaged
from runtime.events import record
from runtime.lean import NamedTuple, contextmanager, suppress
from runtime.lock import lock, make_private
from runtime.network.entries import entries, entries_of, networks
from runtime.record import read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

    from runtime.network.nftables import Mapping
    from runtime.network.ports import Port

_LAST: "Final" = "last"
_LINKS: "Final" = "links"


class Endpoint(NamedTuple):
    """A container's place in a network."""

    network: str
    """The network's ID."""
    network_name: str
    bridge: str
    """The table of the network's rules, which its bridge is called by if nobody has asked for another name.

    Empty without root in the default network, which a program carries.
    """
    cable: str
    """The end of the container's cable that is in the bridge."""
    container: str
    address: str
    prefix: int
    gateway: str
    """Where what is for elsewhere goes; empty in an internal network."""
    mac: str
    names: list[str]
    """What it is called in the network."""
    hosts: str
    """Its ``/etc/hosts``."""
    resolves: bool
    """Members find each other by name."""
    ports: list[list[str]]
    """The published: the host's address and port, the container's port, the protocol."""
    exposed: list[str]
    """Those that the container says it listens on."""
    hub: bool = False
    """Its bridge is in a hub, to which a program publishes ports."""
    own_names: "Sequence[str]" = ()
    """What it calls itself, with its domain first."""
    priority: int = 0
    """That of ``Attachment``."""
    links: "Sequence[Sequence[str]]" = ()
    """Others that it has names of its own for: the ID of each, and the names."""

    @property
    def rank(self) -> tuple[bool, int, str]:
        """The lowest of a container's endpoints has its default route and its published ports."""
        return rank(self.network_name, self.priority, internal=not self.gateway)

    def note(self, home: str, action: str) -> None:
        """Write down that the container has joined or left."""
        attributes = {"container": self.container, "name": self.network_name, "type": "bridge"}
        record(home, action, self.network, attributes, kind="network")

    @property
    def lines(self) -> list[str]:
        """What ``/etc/hosts`` of the members says of it."""
        if not self.resolves:
            return []
        # Apart from each other, for a C library may read no more than 512 bytes of a line.
        dotted = [f"{name}.{self.network_name}" for name in self.names]
        return [f"{self.address}\t{' '.join(names)}" for names in (self.names, dotted)]

    @property
    def published(self) -> "list[Port]":
        """The published ports."""
        from runtime.network.ports import Port  # noqa: PLC0415 - for those who publish some

        return [Port(host, int(host_port), int(port), protocol) for host, host_port, port, protocol in self.ports]

    @property
    def mappings(self) -> "list[Mapping]":
        """What the firewall is told of them, if it is what publishes them."""
        if self.hub or not self.bridge:
            return []
        from _socket import inet_aton  # noqa: PLC0415 - not for those who only look

        from runtime.network.nftables import Mapping  # noqa: PLC0415

        address = inet_aton(self.address)
        return [
            Mapping(inet_aton(host), int(host_port), address, int(port), protocol)
            for host, host_port, port, protocol in self.ports
        ]


class Endpoints:
    """The endpoints of one network."""

    def __init__(self, state: str, network: str) -> None:
        self.directory = f"{state}/networks/{network}"
        self.network = network
        self._state = state

    @contextmanager
    def changing(self) -> "Iterator[None]":
        """Have everybody else wait who joins or leaves."""
        while True:
            make_private(self.directory)
            held = lock(self.directory, wait=True)
            if held is not None:
                break
        try:
            yield
        finally:
            os.close(held)

    def files(self) -> list[tuple[str, str]]:
        """List the address and the container of each."""
        return entries(self._state, self.network)

    def __iter__(self) -> "Iterator[Endpoint]":
        """Give every endpoint that can be read; one may be gone meanwhile."""
        for address, container in self.files():
            with suppress(FileNotFoundError, Damaged):
                yield self.read(address, container)

    def read(self, address: str, container: str) -> Endpoint:
        """Read one. Raises FileNotFoundError and Damaged."""
        path = f"{self.directory}/{address}@{container}"
        try:
            return read_record(Endpoint, path)
        except ValueError as error:
            raise Damaged(f"{path} cannot be read: restart the container ({error})") from error

    def write(self, endpoint: Endpoint) -> None:
        """Write one down; its address is taken from now on."""
        write_record(f"{self.directory}/{endpoint.address}@{endpoint.container}", endpoint, durable=False)

    @property
    def last(self) -> int:
        """The address that was chosen last; 0 if none was."""
        try:
            return int(os.readlink(f"{self.directory}/{_LAST}"))
        except (OSError, ValueError):
            return 0

    def note_last(self, address: int) -> None:
        """Remember which address was chosen last."""
        path = f"{self.directory}/{_LAST}"
        with suppress(FileNotFoundError):
            os.unlink(path)
        os.symlink(str(address), path)

    def leave(self, address: str, container: str) -> Endpoint | None:
        """Take away what may be gone or damaged, while nobody else joins or leaves, and give it if it was neither."""
        with suppress(FileNotFoundError):
            try:
                endpoint = self.read(address, container)
            except Damaged:
                os.unlink(f"{self.directory}/{address}@{container}")
            else:
                self.remove(endpoint)
                return endpoint
        return None

    def remove(self, endpoint: Endpoint) -> None:
        """Take an endpoint away, while nobody else joins or leaves."""
        self.withdraw(endpoint)
        with suppress(FileNotFoundError):
            os.unlink(f"{self.directory}/{endpoint.address}@{endpoint.container}")
        if endpoint.resolves or self._has_links:
            self.tell_names()

    def withdraw(self, endpoint: Endpoint) -> None:
        """Take back what is published of an endpoint."""
        if endpoint.ports and endpoint.hub:
            from runtime.network import slirp  # noqa: PLC0415

            slirp.withdraw(endpoint.address, f"{self._state}/hub/program")
        elif endpoint.ports and endpoint.bridge:
            from runtime.network.nftables import Firewall  # noqa: PLC0415

            firewall = Firewall()
            firewall.withdraw(endpoint.bridge, endpoint.mappings)
            firewall.put_off_closing()

    def announce(self, endpoint: Endpoint) -> None:
        """Have the members know of a new one, as far as it is for them, and it of them."""
        if endpoint.links and not endpoint.resolves:
            os.close(os.open(f"{self.directory}/{_LINKS}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if endpoint.resolves or self._has_links:
            self.tell_names()
        else:
            self.tell(endpoint, [endpoint])

    @property
    def _has_links(self) -> bool:
        """Whether members may have names of their own for others in a network that knows no names."""
        return os.path.exists(f"{self.directory}/{_LINKS}")

    def tell_names(self) -> None:
        """Write into each member's ``/etc/hosts`` who is in the network."""
        members = sorted(self, key=lambda endpoint: endpoint.address)
        for endpoint in members:
            self.tell(endpoint, members)

    def tell(self, endpoint: Endpoint, members: "Sequence[Endpoint]") -> None:
        """Write into a member's ``/etc/hosts`` what it is to know of this network: nothing if there are no members."""
        # Its other networks may be written by others just now. The file itself is no place for a lock: the container
        # could hold it for ever.
        held = lock(f"{self._state}/containers/{endpoint.container}", wait=True)
        if held is not None:
            from runtime.network import hosts  # noqa: PLC0415 - not for those who only look

            try:
                hosts.update(endpoint.hosts, endpoint.network_name, _known_to(endpoint, members))
            finally:
                os.close(held)


def _known_to(endpoint: Endpoint, members: "Sequence[Endpoint]") -> list[str]:
    """Give the lines of a member's ``/etc/hosts``: its own names, those of all, and those that it alone has."""
    if not members:
        return []
    addresses = {member.container: member.address for member in members} if endpoint.links else {}
    linked = [f"{addresses[other]}\t{' '.join(names)}" for other, *names in endpoint.links if other in addresses]
    own = [f"{endpoint.address}\t{' '.join(endpoint.own_names)}"] if endpoint.own_names else []
    return [*own, *(line for member in members for line in member.lines), *linked]


def rank(network: str, priority: int, *, internal: bool) -> tuple[bool, int, str]:
    """Order the networks of a container as Docker does: the first has its default route."""
    return internal, -priority, network


def endpoints_of(state: str, container: str) -> list[Endpoint]:
    """Give the endpoints of a container that can be read."""
    found = []
    for network, address in entries_of(state, container):
        with suppress(FileNotFoundError, Damaged):
            found.append(Endpoints(state, network).read(address, container))
    return sorted(found, key=lambda endpoint: (not endpoint.ports, endpoint.network_name))


def endpoints_by_container(state: str) -> dict[str, list[Endpoint]]:
    """Give the endpoints of all containers."""
    found: dict[str, list[Endpoint]] = {}
    for network in networks(state):
        for endpoint in Endpoints(state, network):
            found.setdefault(endpoint.container, []).append(endpoint)
    return found


def rename(state: str, container: str, old: str, new: str) -> None:
    """Have a container that runs be known by its new name."""
    for endpoint in endpoints_of(state, container):
        members = Endpoints(state, endpoint.network)
        with members.changing(), suppress(FileNotFoundError):
            known = members.read(endpoint.address, container)
            if known.resolves:
                members.write(known._replace(names=[new if name == old else name for name in known.names]))
                members.tell_names()
