"""Interfaces, addresses and routes of one network namespace (rtnetlink(7))."""

from __future__ import annotations

import errno
from _struct import pack, unpack_from

from runtime.lean import NamedTuple
from runtime.network.netlink import ACK, CREATE, DUMP, EXCLUSIVE, REPLACE, Netlink, attribute, nested, read_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_NEWLINK: Final = 16
_DELLINK: Final = 17
_GETLINK: Final = 18
_NEWADDR: Final = 20
_NEWROUTE: Final = 24
_GETROUTE: Final = 26

_IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFLA_MTU: Final = 4
_IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
_IFLA_NET_NS_FD: Final = 28
_INFO_KIND: Final = 1
_INFO_DATA: Final = 2
_INFO_SLAVE_KIND: Final = 4
_INFO_SLAVE_DATA: Final = 5
_BRPORT_ISOLATED: Final = 33
_VETH_INFO_PEER: Final = 1
_UP: Final = 1

_AF_INET: Final = 2
_RTA_DST: Final = 1
_RTA_OIF: Final = 4
_RTA_GATEWAY: Final = 5
_RTA_TABLE: Final = 15
_MAIN: Final = 254


class Route(NamedTuple):
    """What the host reaches directly or by a router. Addresses are numbers."""

    destination: int
    prefix: int
    interface: int


class Link(NamedTuple):
    """An interface."""

    number: int
    up: bool
    attributes: bytes

    @property
    def address(self) -> bytes:
        """Its hardware address."""
        return read_attributes(self.attributes).get(_IFLA_ADDRESS, b"")


class Links:
    """The interfaces of the network namespace in which this is made."""

    def __init__(self) -> None:
        self._netlink = Netlink(0)

    def close(self) -> None:
        """Let go of the namespace."""
        self._netlink.close()

    def find(self, name: str) -> Link | None:
        """Find an interface by its name."""
        try:
            found = self._netlink.ask(_GETLINK, ACK, _link() + _name(name))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        index, flags = unpack_from("=iI", found[0], 4)
        return Link(index, bool(flags & _UP), found[0][16:])

    def get(self, name: str) -> Link:
        """Find an interface that was made by us. Raises OSError if it is gone."""
        link = self.find(name)
        if link is None:
            raise OSError(errno.ENODEV, "the interface was removed just now", name)
        return link

    def add_bridge(self, name: str, mac: bytes, mtu: int = 0) -> int:
        """Make a bridge, and give its index. Raises OSError, EEXIST if there is one."""
        kind = nested(_IFLA_LINKINFO, attribute(_INFO_KIND, b"bridge"))
        # A bridge without an address of its own takes its ports', and another whenever one comes or goes.
        own = attribute(_IFLA_ADDRESS, mac)
        self._netlink.ask(_NEWLINK, ACK | CREATE | EXCLUSIVE, _link() + _name(name) + own + _mtu(mtu) + kind)
        return self.get(name).number

    def add_pair(  # noqa: PLR0913, PLR0917 - both ends of a cable
        self, name: str, bridge: int, namespace: int, inside: str, mac: bytes, mtu: int = 0
    ) -> None:
        """Plug a cable into a bridge whose other end is in another namespace, as ``inside``, and still down."""
        end = _link() + _name(inside) + attribute(_IFLA_ADDRESS, mac) + _mtu(mtu)
        end += attribute(_IFLA_NET_NS_FD, pack("=i", namespace))
        kind = nested(
            _IFLA_LINKINFO,
            attribute(_INFO_KIND, b"veth"),
            nested(_INFO_DATA, nested(_VETH_INFO_PEER, end)),
        )
        body = _link(flags=_UP) + _name(name) + attribute(_IFLA_MASTER, pack("=i", bridge)) + _mtu(mtu) + kind
        self._netlink.ask(_NEWLINK, ACK | CREATE | EXCLUSIVE, body)

    def isolate_port(self, name: str) -> None:
        """Let what is plugged into a bridge here reach the host, and nothing else that is isolated so."""
        data = nested(_INFO_SLAVE_DATA, attribute(_BRPORT_ISOLATED, b"\1"))
        self._netlink.ask(
            _NEWLINK,
            ACK,
            _link() + _name(name) + nested(_IFLA_LINKINFO, attribute(_INFO_SLAVE_KIND, b"bridge\0"), data),
        )

    def delete(self, name: str) -> None:
        """Remove an interface; it is no fault if there is none of this name."""
        try:
            self._netlink.ask(_DELLINK, ACK, _link() + _name(name))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def set_up(self, index: int) -> None:
        """Switch an interface on."""
        self._netlink.ask(_NEWLINK, ACK, _link(index, _UP))

    def add_address(self, index: int, address: int, prefix: int) -> None:
        """Give an interface an address."""
        own = address.to_bytes(4, "big")
        body = pack("=BBBBi", _AF_INET, prefix, 0, 0, index) + attribute(2, own) + attribute(1, own)
        self._netlink.ask(_NEWADDR, ACK | CREATE | EXCLUSIVE, body)

    def add_default_route(self, gateway: int) -> bool:
        """Send what is for elsewhere to a router; False if there is one already."""
        try:
            self._route_by(gateway, EXCLUSIVE)
        except FileExistsError:
            return False
        return True

    def replace_default_route(self, gateway: int) -> None:
        """Send what is for elsewhere to this router, and to no other any more."""
        self._route_by(gateway, REPLACE)

    def _route_by(self, gateway: int, how: int) -> None:
        boot, universe, unicast = 3, 0, 1
        body = pack("=BBBBBBBBI", _AF_INET, 0, 0, 0, _MAIN, boot, universe, unicast, 0)
        self._netlink.ask(_NEWROUTE, ACK | CREATE | how, body + attribute(_RTA_GATEWAY, gateway.to_bytes(4, "big")))

    def routes(self) -> Iterator[Route]:
        """Give the IPv4 routes of the main table but for default ones."""
        for body in self._netlink.ask(_GETROUTE, DUMP, pack("=BBBBBBBBI", _AF_INET, *[0] * 8)):
            found = read_attributes(body[12:])
            table = unpack_from("=I", found[_RTA_TABLE])[0] if _RTA_TABLE in found else body[4]
            if table == _MAIN and _RTA_DST in found:
                interface = unpack_from("=i", found[_RTA_OIF])[0] if _RTA_OIF in found else 0
                yield Route(int.from_bytes(found[_RTA_DST], "big"), body[1], interface)


def _link(index: int = 0, flags: int = 0) -> bytes:
    return pack("=BxHiII", 0, 0, index, flags, flags)


def _name(name: str) -> bytes:
    return attribute(_IFLA_IFNAME, name.encode() + b"\0")


def _mtu(mtu: int) -> bytes:
    return attribute(_IFLA_MTU, pack("=I", mtu)) if mtu else b""
