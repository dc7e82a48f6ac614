"""What the kernel remembers of connections (linux/netfilter/nfnetlink_conntrack.h)."""

from __future__ import annotations

from _struct import pack, unpack

from runtime.lean import suppress
from runtime.network.netlink import ACK, DUMP, Netlink, nested, read_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_NETFILTER: Final = 12
_CONNTRACK: Final = 1 << 8
_GET: Final = 1
_DELETE: Final = 2
_IPV4: Final = 2
#: Of a connection, and of the way that its packets were sent at first.
_ORIGINAL: Final = 1
_PROTOCOL: Final = 2
_NUMBER: Final = 1
_PORT: Final = 3
_UDP: Final = 17


def forget_udp(ports: set[int]) -> None:
    """Have the kernel look anew where to send what comes for these ports.

    Otherwise who goes on sending would go on reaching a container that is gone.
    """
    netlink = Netlink(_NETFILTER)
    header = pack(">BBH", _IPV4, 0, 0)
    for body in netlink.ask(_CONNTRACK | _GET, DUMP, header):
        original = read_attributes(body[4:])[_ORIGINAL]
        protocol = read_attributes(read_attributes(original)[_PROTOCOL])
        if protocol[_NUMBER][0] == _UDP and unpack(">H", protocol[_PORT])[0] in ports:
            with suppress(FileNotFoundError):  # it is over meanwhile
                netlink.ask(_CONNTRACK | _DELETE, ACK, header + nested(_ORIGINAL, original))
    netlink.close()
