"""The rules of a network as the kernel takes them (linux/netfilter/nf_tables.h).

In the words of nft(8) they are, for a bridge B with the subnet S and this host's address G in it:

    map ports { type inet_proto . inet_service : ipv4_addr . inet_service }
    map ports_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
    chain guard (filter, prerouting, raw):
        iifname != lo ip daddr 127.0.0.0/8 drop
        iifname != B iifname != lo iifname != U ip daddr S ip daddr != G drop   (if S is masqueraded)
    chain publish (nat, prerouting) and publish_local (nat, output):
        fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @ports_at
        fib daddr type local dnat ip to meta l4proto . th dport map @ports
    chain masquerade (nat, postrouting):
        ip saddr S oifname != B masquerade      (unless others are to see the containers' addresses)
        ip saddr S oifname B ct status dnat masquerade
        ip saddr 127.0.0.0/8 oifname B masquerade
    chain isolate (filter, forward):
        oifname B ct state established,related accept
        iifname B oifname B accept      (unless containers are kept apart)
        oifname B ct status dnat accept
        iifname U oifname B accept      (where a program publishes ports by an uplink U)
        oifname B drop
        iifname B drop          (of an internal network)

``guard`` sees a packet before ``publish`` can translate its destination. A neighbour on the same cable can send a frame
with any destination, and the kernel looks for martians only after the translation: so what is published at 127.0.0.1
would be the neighbour's as well, and a container's own address with all its ports, where a route leads here.

Whoever changes what is made here has networks get it that are there: see ``_RULES`` in ``leftovers``.
"""

from __future__ import annotations

from _struct import pack

from runtime.network.addresses import Subnet
from runtime.network.netlink import APPEND, CREATE, attribute, nested
from runtime.network.nftables import name_of, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.network.networks import Network
    from runtime.network.nftables import Message

_NEWTABLE: Final = 0
_DELTABLE: Final = 2
_NEWCHAIN: Final = 3
_NEWRULE: Final = 6
_NEWSET: Final = 9

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
_IPV4: Final = 2
_MAP: Final = 8
#: How nft numbers the types of what is looked up: six bits for each part.
_PROTOCOL_AND_PORT: Final = 12 << 6 | 13
_ADDRESS_PROTOCOL_AND_PORT: Final = 7 << 12 | _PROTOCOL_AND_PORT
_ADDRESS_AND_PORT: Final = 7 << 6 | 13
#: The first of the kernel's registers of four bytes; others follow.
_REGISTER: Final = 8
_LOOPBACK: Final = Subnet(127 << 24, 8)


def network(network: Network, uplink: str) -> list[Message]:
    """Give what makes the rules of a network, in the place of others if there are any.

    ``uplink`` is empty where the kernel publishes ports.
    """
    table = text(1, network.table)
    anew = [(_NEWTABLE, CREATE, table), (_DELTABLE, 0, table), (_NEWTABLE, CREATE, table)]
    return [*anew, *_maps(network.table), *_chains(network, uplink)]


def exempt(bridge: str) -> list[Message]:
    """Give what has iptables let a network's packets through, the first before its other rules, the last behind."""
    chain = text(1, "filter") + text(2, "FORWARD")
    return [
        (_NEWRULE, CREATE, chain + nested(4, _interface(_OIFNAME, bridge) + _verdict(_ACCEPT))),
        (_NEWRULE, CREATE | APPEND, chain + nested(4, _interface(_IIFNAME, bridge) + _verdict(_ACCEPT))),
    ]


def _maps(table: str) -> list[Message]:
    kinds = (("ports", _PROTOCOL_AND_PORT, 8), ("ports_at", _ADDRESS_PROTOCOL_AND_PORT, 12))
    return [
        (
            _NEWSET,
            CREATE,
            text(1, table)
            + text(2, name)
            + b"".join(
                _number(at, value)
                for at, value in ((3, _MAP), (4, kind), (5, length), (6, _ADDRESS_AND_PORT), (7, 8), (10, order))
            ),
        )
        for order, (name, kind, length) in enumerate(kinds, start=1)
    ]


def _chains(network: Network, uplink: str) -> list[Message]:
    table = network.table
    publish = (_translate(with_address=True), _translate(with_address=False))
    return [
        *_chain(table, "guard", "filter", _PREROUTING, -300, _guard(network, uplink)),
        *_chain(table, "publish", "nat", _PREROUTING, -100, publish),
        *_chain(table, "publish_local", "nat", _OUTPUT, -100, publish),
        *_chain(table, "masquerade", "nat", _POSTROUTING, 100, _masquerade(network)),
        *_chain(table, "isolate", "filter", _FORWARD, 0, _isolate(network, uplink)),
    ]


def _guard(network: Network, uplink: str) -> tuple[bytes, ...]:
    for_loopback = _interface(_IIFNAME, "lo", _DIFFERENT) + _within(_DESTINATION, _LOOPBACK) + _verdict(_DROP)
    if not network.bridge.masquerade:
        return (for_loopback,)  # answers come to containers' own addresses, and "isolate" tells them from the rest
    elsewhere = [_interface(_IIFNAME, name, _DIFFERENT) for name in (network.interface, "lo", uplink) if name]
    gateway = network.own_address.to_bytes(4, "big")
    not_this_host = _load(1, _DESTINATION, 4, _REGISTER) + _compare(gateway, _DIFFERENT)
    for_containers = _within(_DESTINATION, network.range) + not_this_host
    return for_loopback, b"".join(elsewhere) + for_containers + _verdict(_DROP)


def _masquerade(network: Network) -> tuple[bytes, ...]:
    ours, leaving = _within(_SOURCE, network.range), _interface(_OIFNAME, network.interface)
    elsewhere = _interface(_OIFNAME, network.interface, _DIFFERENT)
    return (
        *((ours + elsewhere + _expression("masq"),) if network.bridge.masquerade and not network.internal else ()),
        ours + leaving + _ct(_CT_STATUS, _DESTINATION_CHANGED) + _expression("masq"),
        _within(_SOURCE, _LOOPBACK) + leaving + _expression("masq"),
    )


def _isolate(network: Network, uplink: str) -> tuple[bytes, ...]:
    entering, leaving = _interface(_IIFNAME, network.interface), _interface(_OIFNAME, network.interface)
    return (
        leaving + _ct(_CT_STATE, _ESTABLISHED_OR_RELATED) + _verdict(_ACCEPT),
        *((entering + leaving + _verdict(_ACCEPT),) if network.bridge.icc else ()),
        leaving + _ct(_CT_STATUS, _DESTINATION_CHANGED) + _verdict(_ACCEPT),
        *((_interface(_IIFNAME, uplink) + leaving + _verdict(_ACCEPT),) if uplink else ()),
        leaving + _verdict(_DROP),
        *((entering + _verdict(_DROP),) if network.internal else ()),
    )


def _chain(  # noqa: PLR0913, PLR0917 - what the kernel asks of a chain
    table: str, name: str, kind: str, hook: int, priority: int, rules: tuple[bytes, ...]
) -> list[Message]:
    hooked = nested(4, _number(1, hook), attribute(2, pack(">i", priority)))
    chain = text(1, table) + text(3, name) + hooked + text(7, kind)
    place = text(1, table) + text(2, name)
    return [
        (_NEWCHAIN, CREATE, chain),
        *((_NEWRULE, CREATE | APPEND, place + nested(4, rule)) for rule in rules),
    ]


# Expressions: what a rule does, one after the other. Those that compare end the rule if they fail.


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *attributes))


def _interface(key: int, name: str, how: int = _EQUAL) -> bytes:
    return _expression("meta", _number(1, _REGISTER), _number(2, key)) + _compare(name_of(name), how)


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
            text(1, "ports_at" if with_address else "ports"),
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


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, pack(">I", value))
