"""The rules of one network, as nftables tables of its own that no other firewall touches (nft(8)).

They are sent to the kernel as it takes them (linux/netfilter/nf_tables.h), so that a container is started without
running ``nft``, and the host need not have it. ``nft list ruleset`` shows them. In its words they are, for a bridge B
with the subnet S:

    map ports { type inet_proto . inet_service : ipv4_addr . inet_service }
    map ports_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
    chain guard (filter, prerouting, raw): iifname B ip daddr 127.0.0.0/8 drop
    chain publish (nat, prerouting) and publish_local (nat, output):
        fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @ports_at
        fib daddr type local dnat ip to meta l4proto . th dport map @ports
    chain masquerade (nat, postrouting):
        ip saddr S oifname != B masquerade
        ip saddr S oifname B ct status dnat masquerade
        ip saddr 127.0.0.0/8 oifname B masquerade
    chain isolate (filter, forward):
        oifname B ct state established,related accept
        iifname B oifname B accept
        oifname B ct status dnat accept
        oifname B drop
        iifname B drop          (of an internal network)
"""

from __future__ import annotations

import errno
from struct import pack, unpack

from runtime.lean import NamedTuple
from runtime.network.addresses import Subnet
from runtime.network.netlink import ACK, APPEND, CREATE, DUMP, Netlink, attribute, nested, read_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_NETFILTER: Final = 12
_NFTABLES: Final = 10
_IPV4: Final = 2
_BATCH_BEGIN: Final = 16
_BATCH_END: Final = 17
_NEWTABLE: Final = 0
_GETTABLE: Final = 1
_DELTABLE: Final = 2
_NEWCHAIN: Final = 3
_GETCHAIN: Final = 4
_NEWRULE: Final = 6
_GETRULE: Final = 7
_DELRULE: Final = 8
_NEWSET: Final = 9
_NEWSETELEM: Final = 12
_DELSETELEM: Final = 14

_PREROUTING: Final = 0
_FORWARD: Final = 2
_OUTPUT: Final = 3
_POSTROUTING: Final = 4

_DROP: Final = 0
_ACCEPT: Final = 1
_EQUAL: Final = 0
_DIFFERENT: Final = 1
_SOURCE: Final = 12
_DESTINATION: Final = 16
_IIFNAME: Final = 6
_OIFNAME: Final = 7
_L4PROTO: Final = 16
_CT_STATE: Final = 0
_CT_STATUS: Final = 2
_ESTABLISHED_OR_RELATED: Final = 2 | 4
_DESTINATION_CHANGED: Final = 32
_LOCAL: Final = 2
_MAP: Final = 8
#: How nft numbers the types of what is looked up: six bits for each part.
_PROTOCOL_AND_PORT: Final = 12 << 6 | 13
_ADDRESS_PROTOCOL_AND_PORT: Final = 7 << 12 | _PROTOCOL_AND_PORT
_ADDRESS_AND_PORT: Final = 7 << 6 | 13
#: The first of the kernel's registers of four bytes; others follow.
_REGISTER: Final = 8
_LOOPBACK: Final = Subnet(127 << 24, 8)
_PROTOCOLS: Final = {"tcp": 6, "udp": 17}

_Message = tuple[int, int, bytes]


class Mapping(NamedTuple):
    """A port of this host that leads to one of a container. Addresses are numbers; 0 is each of the host's."""

    host_address: int
    host_port: int
    address: int
    port: int
    protocol: str


class Firewall:
    """The nftables of the network namespace in which this is made."""

    def __init__(self) -> None:
        self._netlink = Netlink(_NETFILTER)

    def close(self) -> None:
        """Let go of the namespace."""
        self._netlink.close()

    def has(self, bridge: str) -> bool:
        """Tell whether a network's rules are there."""
        try:
            self._netlink.ask(_kind(_GETTABLE), ACK, _header() + _text(1, bridge))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def add(self, bridge: str, subnet: Subnet, *, internal: bool) -> None:
        """Add the rules of a network, all or none. Raises OSError."""
        self._change([(_NEWTABLE, CREATE, _text(1, bridge)), *_maps(bridge), *_chains(bridge, subnet, internal)])

    def delete(self, bridge: str) -> None:
        """Remove the rules of a network; it is no fault if there are none."""
        try:
            self._change([(_DELTABLE, 0, _text(1, bridge))])
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def publish(self, bridge: str, mappings: list[Mapping]) -> None:
        """Let ports of this host lead to containers."""
        self._change([(_NEWSETELEM, CREATE, _element(bridge, mapping)) for mapping in mappings])

    def withdraw(self, bridge: str, mappings: list[Mapping]) -> None:
        """Take back what was published; it is no fault if it was not."""
        for mapping in mappings:
            try:
                self._change([(_DELSETELEM, 0, _element(bridge, mapping))])
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise

    def let_through(self, bridge: str) -> None:
        """Have iptables let a network's packets through, if it is in use and drops what it is not told of.

        Docker lets it do so, and a packet has to be accepted by every firewall of the host. What leaves the network
        comes last, behind the rules by which Docker shields its own containers.
        """
        if self._iptables_drops() and not self._let_through(bridge):
            chain = _text(1, "filter") + _text(2, "FORWARD")
            self._change(
                [
                    (_NEWRULE, CREATE, chain + nested(4, _interface(_OIFNAME, bridge) + _verdict(_ACCEPT))),
                    (_NEWRULE, CREATE | APPEND, chain + nested(4, _interface(_IIFNAME, bridge) + _verdict(_ACCEPT))),
                ]
            )

    def stop_letting_through(self, bridge: str) -> None:
        """Take back what ``let_through`` has done."""
        chain = _text(1, "filter") + _text(2, "FORWARD")
        self._change([(_DELRULE, 0, chain + attribute(3, handle)) for handle in self._let_through(bridge)])

    def _iptables_drops(self) -> bool:
        try:
            found = self._netlink.ask(_kind(_GETCHAIN), ACK, _header() + _text(1, "filter") + _text(3, "FORWARD"))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        policy = read_attributes(found[0][4:]).get(5)
        return policy is not None and unpack(">I", policy)[0] == _DROP

    def _let_through(self, bridge: str) -> list[bytes]:
        """Give the handles of the rules of ``let_through`` that are there."""
        try:
            rules = self._netlink.ask(_kind(_GETRULE), DUMP, _header() + _text(1, "filter") + _text(2, "FORWARD"))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return []
            raise
        found = [read_attributes(body[4:]) for body in rules]
        name = _name(bridge)
        # The dump of an old kernel is of all chains.
        return [rule[3] for rule in found if rule[2] == b"FORWARD\0" and name in rule.get(4, b"")]

    def _change(self, messages: list[_Message]) -> None:
        """Do all, or nothing: nobody ever sees a half."""
        if not messages:
            return
        limits = pack(">BBH", 0, 0, _NFTABLES)
        requests = [(_kind(kind), flags, _header() + body) for kind, flags, body in messages]
        kind, flags, body = requests[-1]
        requests[-1] = (kind, flags | ACK, body)
        self._netlink.ask_all([(_BATCH_BEGIN, 0, limits), *requests, (_BATCH_END, 0, limits)])


def _maps(bridge: str) -> list[_Message]:
    kinds = (("ports", _PROTOCOL_AND_PORT, 8), ("ports_at", _ADDRESS_PROTOCOL_AND_PORT, 12))
    return [
        (
            _NEWSET,
            CREATE,
            _text(1, bridge)
            + _text(2, name)
            + b"".join(
                _number(at, value)
                for at, value in ((3, _MAP), (4, kind), (5, length), (6, _ADDRESS_AND_PORT), (7, 8), (10, number))
            ),
        )
        for number, (name, kind, length) in enumerate(kinds, start=1)
    ]


def _chains(bridge: str, subnet: Subnet, internal: bool) -> list[_Message]:
    publish = (_translate(with_address=True), _translate(with_address=False))
    entering, leaving = _interface(_IIFNAME, bridge), _interface(_OIFNAME, bridge)
    elsewhere = _interface(_OIFNAME, bridge, _DIFFERENT)
    ours, translated = _within(_SOURCE, subnet), _ct(_CT_STATUS, _DESTINATION_CHANGED)
    masquerade = (
        *(() if internal else (ours + elsewhere + _expression("masq"),)),
        ours + leaving + translated + _expression("masq"),
        _within(_SOURCE, _LOOPBACK) + leaving + _expression("masq"),
    )
    isolate = (
        leaving + _ct(_CT_STATE, _ESTABLISHED_OR_RELATED) + _verdict(_ACCEPT),
        entering + leaving + _verdict(_ACCEPT),
        leaving + translated + _verdict(_ACCEPT),
        leaving + _verdict(_DROP),
        *((entering + _verdict(_DROP),) if internal else ()),
    )
    guard = (entering + _within(_DESTINATION, _LOOPBACK) + _verdict(_DROP),)
    return [
        *_chain(bridge, "guard", "filter", _PREROUTING, -300, guard),
        *_chain(bridge, "publish", "nat", _PREROUTING, -100, publish),
        *_chain(bridge, "publish_local", "nat", _OUTPUT, -100, publish),
        *_chain(bridge, "masquerade", "nat", _POSTROUTING, 100, masquerade),
        *_chain(bridge, "isolate", "filter", _FORWARD, 0, isolate),
    ]


def _chain(  # noqa: PLR0913, PLR0917 - what the kernel asks of a chain
    table: str, name: str, kind: str, hook: int, priority: int, rules: tuple[bytes, ...]
) -> list[_Message]:
    hooked = nested(4, _number(1, hook), attribute(2, pack(">i", priority)))
    chain = _text(1, table) + _text(3, name) + hooked + _text(7, kind)
    place = _text(1, table) + _text(2, name)
    return [
        (_NEWCHAIN, CREATE, chain),
        *((_NEWRULE, CREATE | APPEND, place + nested(4, rule)) for rule in rules),
    ]


def _element(bridge: str, mapping: Mapping) -> bytes:
    key = pack(">B3xH2x", _PROTOCOLS[mapping.protocol], mapping.host_port)
    if mapping.host_address:
        key = mapping.host_address.to_bytes(4, "big") + key
    leads_to = pack(">IH2x", mapping.address, mapping.port)
    element = nested(1, nested(1, attribute(1, key)), nested(2, attribute(1, leads_to)))
    return _text(1, bridge) + _text(2, "ports_at" if mapping.host_address else "ports") + nested(3, element)


# Expressions: what a rule does, one after the other. Those that compare end the rule if they fail.


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, _text(1, name), nested(2, *attributes))


def _interface(key: int, name: str, how: int = _EQUAL) -> bytes:
    return _expression("meta", _number(1, _REGISTER), _number(2, key)) + _compare(_name(name), how)


def _within(offset: int, subnet: Subnet) -> bytes:
    mask, network = subnet.mask.to_bytes(4, "big"), subnet.network.to_bytes(4, "big")
    return _load(1, offset, 4, _REGISTER) + _mask(mask) + _compare(network)


def _ct(key: int, bits: int) -> bytes:
    loaded = _expression("ct", _number(1, _REGISTER), _number(2, key))
    return loaded + _mask(pack("=I", bits)) + _compare(bytes(4), _DIFFERENT)


def _translate(*, with_address: bool) -> bytes:
    """Look up where a packet to one of this host's addresses is to go, and send it there."""
    local = _expression("fib", _number(1, _REGISTER), _number(2, 3), _number(3, 2)) + _compare(pack("=I", _LOCAL))
    first = _load(1, _DESTINATION, 4, _REGISTER) if with_address else b""
    at = _REGISTER + with_address
    return (
        local
        + first
        + _expression("meta", _number(1, at), _number(2, _L4PROTO))
        + _load(2, 2, 2, at + 1)
        + _expression(
            "lookup",
            _text(1, "ports_at" if with_address else "ports"),
            _number(2, _REGISTER),
            _number(3, _REGISTER),
        )
        + _expression("nat", _number(1, 1), _number(2, _IPV4), _number(3, _REGISTER), _number(5, _REGISTER + 1))
    )


def _load(base: int, offset: int, length: int, register: int) -> bytes:
    return _expression("payload", _number(1, register), _number(2, base), _number(3, offset), _number(4, length))


def _mask(mask: bytes) -> bytes:
    registers = _number(1, _REGISTER) + _number(2, _REGISTER) + _number(3, 4)
    return _expression("bitwise", registers, nested(4, attribute(1, mask)), nested(5, attribute(1, bytes(4))))


def _compare(value: bytes, how: int = _EQUAL) -> bytes:
    return _expression("cmp", _number(1, _REGISTER), _number(2, how), nested(3, attribute(1, value)))


def _verdict(code: int) -> bytes:
    return _expression("immediate", _number(1, 0), nested(2, nested(2, _number(1, code))))


def _kind(kind: int) -> int:
    return _NFTABLES << 8 | kind


def _header() -> bytes:
    return pack(">BBH", _IPV4, 0, 0)


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, pack(">I", value))


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def _name(interface: str) -> bytes:
    """Write an interface's name as the kernel compares it."""
    return interface.encode().ljust(16, b"\0")
