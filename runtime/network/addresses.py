"""IPv4 addresses and subnets, as numbers: importing the standard library's modules takes as long as a start."""

from __future__ import annotations

import os
from _socket import AF_INET, inet_ntoa, inet_pton

from runtime.errors import Fault, UsageError
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Final

#: What networks are cut from if nobody says: a range, and the length of the prefix of each. Docker's and podman's
#: own ranges are left to them.
_POOLS: Final = ((0x0AD00000, 12, 20), (0xAC180000, 13, 20), (0xC0A88000, 17, 24))
_ALL: Final = 0xFFFFFFFF


class Subnet(NamedTuple):
    """A range of addresses that share their first ``prefix`` bits."""

    network: int
    prefix: int

    @property
    def mask(self) -> int:
        """The bits that its addresses share."""
        return _ALL << (32 - self.prefix) & _ALL

    @property
    def last(self) -> int:
        """The broadcast address."""
        return self.network | ~self.mask & _ALL

    def __contains__(self, address: object) -> bool:
        """Whether an address is in the range."""
        return isinstance(address, int) and self.network <= address <= self.last

    def overlaps(self, other: Subnet) -> bool:
        """Tell whether an address is in both."""
        return self.network <= other.last and other.network <= self.last

    def __str__(self) -> str:
        """As people write it."""
        return f"{show(self.network)}/{self.prefix}"


def show(address: int) -> str:
    """Write an address as people do."""
    return inet_ntoa(address.to_bytes(4, "big"))


def read_address(text: str, what: str) -> int:
    """Read an address; ``what`` says where it stands. Raises UsageError."""
    try:
        return int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} {text!r}: it is an IPv4 address, as 10.0.0.1") from error


def read_subnet(text: str, what: str) -> Subnet:
    """Read ``ADDRESS/PREFIX``. Raises UsageError."""
    address, slash, length = text.partition("/")
    number = read_address(address, what)
    if not slash or not length.isdecimal() or not length.isascii() or not 0 < int(length) <= 32:
        raise UsageError(f"{what} {text!r}: it is an IPv4 subnet, as 10.0.0.0/24")
    subnet = Subnet(number, int(length))
    if number & ~subnet.mask & _ALL:
        shown = Subnet(number & subnet.mask, subnet.prefix)
        raise UsageError(f"{what} {text!r}: the subnet of that address is {shown}")
    return subnet


def choose_subnet(taken: Iterable[Subnet]) -> Subnet:
    """Find a subnet that overlaps none of those. Raises Fault if there is none left.

    It is one by chance, for somebody with another state directory may be looking for one at the same moment.
    """
    others = list(taken)
    for start, length, prefix in _POOLS:
        pool = Subnet(start, length)
        near = [other for other in others if other.overlaps(pool)]
        count = 1 << (prefix - length)
        first = int.from_bytes(os.urandom(4), "big")
        for number in range(first, first + count):
            subnet = Subnet(pool.network + (number % count << (32 - prefix)), prefix)
            if not any(subnet.overlaps(other) for other in near):
                return subnet
    raise Fault("no subnet is free for another network: remove one, or choose with --subnet")


def choose_address(pool: Subnet, subnet: Subnet, taken: Collection[int], last: int) -> int:
    """Find a free address of ``pool`` behind the one that was given last.

    Not the lowest free one: what an old container's neighbours still know of its address must not meet a new one.
    Raises Fault if all are taken.
    """
    size = pool.last - pool.network + 1
    start = last - pool.network + 1 if last in pool else 0
    for step in range(size):
        address = pool.network + (start + step) % size
        if subnet.network < address < subnet.last and address not in taken:
            return address
    raise Fault(f"every address of {pool} is taken: remove a container, or make a larger network")


def mac(address: int) -> bytes:
    """Give the hardware address that goes with an address: random ones would be unknown to the neighbours."""
    return b"\x02\x42" + address.to_bytes(4, "big")


def show_mac(address: bytes) -> str:
    """Write a hardware address as people do."""
    return ":".join(f"{byte:02x}" for byte in address)


def read_mac(text: str) -> bytes:
    """Read a hardware address. Raises UsageError."""
    parts = text.replace("-", ":").split(":")
    try:
        address = bytes(int(part, 16) for part in parts if len(part) <= 2)
    except ValueError:
        address = b""
    if len(parts) != 6 or len(address) != 6 or address[0] & 1:
        raise UsageError(f"--mac-address {text!r}: it is six bytes, as 02:42:0a:00:00:02, and no multicast address")
    return address
