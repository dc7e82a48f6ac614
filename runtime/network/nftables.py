"""The nftables of a host: each network has a table of its own there that no other firewall touches (nft(8)).

It is changed as the kernel takes it (linux/netfilter/nf_tables.h), so that a container is started without running
``nft``, and the host need not have it. ``nft list ruleset`` shows what is there, and ``rules`` says what it means.
"""

from __future__ import annotations

import errno
from _struct import pack, unpack

from runtime.lean import NamedTuple
from runtime.network.netlink import ACK, CREATE, DUMP, Netlink, attribute, nested, read_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.network.networks import Network

    Message = tuple[int, int, bytes]

_NETFILTER: Final = 12
_NFTABLES: Final = 10
_IPV4: Final = 2
_BATCH_BEGIN: Final = 16
_BATCH_END: Final = 17
_GETTABLE: Final = 1
_DELTABLE: Final = 2
_GETCHAIN: Final = 4
_GETRULE: Final = 7
_DELRULE: Final = 8
_NEWSETELEM: Final = 12
_DELSETELEM: Final = 14

_DROP: Final = 0
_PROTOCOLS: Final = {"tcp": 6, "udp": 17}


class Mapping(NamedTuple):
    """A port of this host that leads to one of a container. Addresses are as in packets; 0.0.0.0 is each of ours."""

    host_address: bytes
    host_port: int
    address: bytes
    port: int
    protocol: str


class Firewall:
    """The nftables of the network namespace in which this is made."""

    def __init__(self) -> None:
        self._netlink = Netlink(_NETFILTER)

    def close(self) -> None:
        """Let go of the namespace."""
        self._netlink.close()

    def put_off_closing(self) -> None:
        """Close it with the next one that is put off, or with this process.

        After something was removed the kernel lets whoever closes it wait until nobody can be looking at that, 10 ms.
        """
        while _UNCLOSED:
            _UNCLOSED.pop().close()
        _UNCLOSED.append(self)

    def has(self, table: str) -> bool:
        """Tell whether a network's rules are there."""
        try:
            self._netlink.ask(_kind(_GETTABLE), ACK, _header() + text(1, table))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def add(self, network: Network, uplink: str, mappings: list[Mapping]) -> None:
        """Make the rules of a network and what it publishes, all or nothing; see ``rules.network``. Raises OSError."""
        from runtime.network import rules  # noqa: PLC0415 - networks are made once

        self._change([*rules.network(network, uplink), *_elements(network.table, mappings)])

    def delete(self, table: str) -> None:
        """Remove the rules of a network; it is no fault if there are none."""
        try:
            self._change([(_DELTABLE, 0, text(1, table))])
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def publish(self, table: str, mappings: list[Mapping]) -> None:
        """Let ports of this host lead to containers."""
        self._change(_elements(table, mappings))

    def withdraw(self, table: str, mappings: list[Mapping]) -> None:
        """Take back what was published; it is no fault if it was not."""
        for mapping in mappings:
            try:
                self._change([(_DELSETELEM, 0, _element(table, mapping))])
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise

    def let_through(self, bridge: str) -> None:
        """Have iptables let a network's packets through, if it is in use and drops what it is not told of.

        Docker lets it do so, and a packet has to be accepted by every firewall of the host. What leaves the network
        comes last, behind the rules by which Docker shields its own containers.
        """
        if self._iptables_drops() and not self._let_through(bridge):
            from runtime.network import rules  # noqa: PLC0415 - once for each network

            self._change(rules.exempt(bridge))

    def stop_letting_through(self, bridge: str) -> None:
        """Take back what ``let_through`` has done."""
        chain = text(1, "filter") + text(2, "FORWARD")
        self._change([(_DELRULE, 0, chain + attribute(3, handle)) for handle in self._let_through(bridge)])

    def _iptables_drops(self) -> bool:
        try:
            found = self._netlink.ask(_kind(_GETCHAIN), ACK, _header() + text(1, "filter") + text(3, "FORWARD"))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        policy = read_attributes(found[0][4:]).get(5)
        return policy is not None and unpack(">I", policy)[0] == _DROP

    def _let_through(self, bridge: str) -> list[bytes]:
        """Give the handles of the rules of ``let_through`` that are there."""
        try:
            found = self._netlink.ask(_kind(_GETRULE), DUMP, _header() + text(1, "filter") + text(2, "FORWARD"))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return []
            raise
        name = name_of(bridge)
        rules = [read_attributes(body[4:]) for body in found]
        # The dump of an old kernel is of all chains.
        return [rule[3] for rule in rules if rule[2] == b"FORWARD\0" and name in rule.get(4, b"")]

    def _change(self, messages: list[Message]) -> None:
        """Do all, or nothing: nobody ever sees a half."""
        if not messages:
            return
        limits = pack(">BBH", 0, 0, _NFTABLES)
        requests = [(_kind(kind), flags, _header() + body) for kind, flags, body in messages]
        kind, flags, body = requests[-1]
        requests[-1] = (kind, flags | ACK, body)
        self._netlink.ask_all([(_BATCH_BEGIN, 0, limits), *requests, (_BATCH_END, 0, limits)])


#: The one that is to be closed next, if there is one.
_UNCLOSED: Final[list[Firewall]] = []


def _elements(table: str, mappings: list[Mapping]) -> list[Message]:
    return [(_NEWSETELEM, CREATE, _element(table, mapping)) for mapping in mappings]


def _element(table: str, mapping: Mapping) -> bytes:
    key = pack(">B3xH2x", _PROTOCOLS[mapping.protocol], mapping.host_port)
    at = any(mapping.host_address)
    if at:
        key = mapping.host_address + key
    leads_to = mapping.address + pack(">H2x", mapping.port)
    element = nested(1, nested(1, attribute(1, key)), nested(2, attribute(1, leads_to)))
    return text(1, table) + text(2, "ports_at" if at else "ports") + nested(3, element)


def _kind(kind: int) -> int:
    return _NFTABLES << 8 | kind


def _header() -> bytes:
    return pack(">BBH", _IPV4, 0, 0)


def text(kind: int, words: str) -> bytes:
    """Write an attribute as the kernel has texts."""
    return attribute(kind, words.encode() + b"\0")


def name_of(interface: str) -> bytes:
    """Write an interface's name as the kernel compares it."""
    return interface.encode().ljust(16, b"\0")
