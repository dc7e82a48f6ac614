"""The on-disk format of EROFS (kernel, fs/erofs/erofs_fs.h), as much of it as an index of a tar archive takes.

Blocks have 512 bytes, as those of tar. The archive is a second device, whose blocks follow the first one's in one space
of addresses, so that a file is a run of blocks of the archive. Everything else is metadata: a superblock, inodes with
short directories, targets of links and attributes behind them, and whole blocks for what is longer.
"""

import stat
import struct
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

BLOCK: Final = 512
_BLOCK_BITS: Final = 9
_MAGIC: Final = 0xE0F5E1E2
_SUPERBLOCK_AT: Final = 1024
_SUPERBLOCK: Final = struct.Struct("<IIIBBHQQIIII16s16sIHHHBBIQ4xIQ8x")
_DEVICE_TABLE: Final = 0x8
"""A feature that a kernel must know to mount this."""
_DEVICE: Final = struct.Struct("<64sII56x")
_METADATA_BLOCK: Final = 4
"""The first block behind superblock and device table."""
_SLOT: Final = 32
"""Inodes are numbered by the slot they begin in."""

#: format, attribute count, mode, -, size, place, number, uid, gid, mtime, its nanoseconds, link count.
INODE: Final = struct.Struct("<HHHHQIIIIqII16x")
EXTENDED: Final = 1
"""The format of inodes with all fields, whose data lies in whole blocks."""
PLACE: Final = 16
"""Where in an inode the block of its data is, or the device number."""
_INLINE: Final = EXTENDED | 2 << 1
"""The same with data right behind the inode and its attributes, in the same block."""
_DIRENT: Final = struct.Struct("<QHBB")
_FILE_TYPES: Final = {
    stat.S_IFREG: 1,
    stat.S_IFDIR: 2,
    stat.S_IFCHR: 3,
    stat.S_IFBLK: 4,
    stat.S_IFIFO: 5,
    stat.S_IFLNK: 7,
}
_ATTRIBUTES_HEAD: Final = bytes(12)
_ATTRIBUTE: Final = struct.Struct("<BBH")
#: Whole names first: of these nothing is left to store.
_PREFIXES: Final = (
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"user.", 1),
    (b"trusted.", 4),
    (b"security.", 6),
)


class Tree(NamedTuple):
    """Inodes by number, of which the root is the first. Those that no directory names are left out."""

    modes: "array[int]"
    records: bytearray
    """``INODE`` after ``INODE``; of files the place is their first block in the archive."""
    names: dict[int, dict[bytes, int]]
    """What is in each directory."""
    links: dict[int, bytes]
    """Where symbolic links lead."""
    attributes: dict[int, dict[bytes, bytes]]


def write(tree: Tree, archive_size: int, identity: bytes, file: BinaryIO) -> None:
    """Write an index of an archive."""
    layout = _Layout(tree)
    first = -(-layout.blocks // 8) * 8  # of the archive
    superblock = _SUPERBLOCK.pack(
        *(_MAGIC, 0, 0, _BLOCK_BITS, 0, 0, len(layout.order), 0, 0, layout.blocks, _METADATA_BLOCK, 0),
        *(identity, b"preg", _DEVICE_TABLE, 0, 1, (_SUPERBLOCK_AT + _SUPERBLOCK.size) // _DEVICE.size),
        *(0, 0, 0, 0, 0, 0),
    )
    device = _DEVICE.pack(b"layer.tar", -(-archive_size // BLOCK), first)
    file.write((bytes(_SUPERBLOCK_AT) + superblock + device).ljust(_METADATA_BLOCK * BLOCK, b"\0"))
    file.writelines(layout.pieces(first))
    file.write(bytes((first - layout.blocks) * BLOCK))


class _Layout:
    """Where everything comes to lie."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        count = len(tree.modes)
        self.order = array("L")
        self._slots = array("L", bytes(array("L").itemsize * count))
        self._link_counts = array("L", bytes(array("L").itemsize * count))
        self._parents: dict[int, int] = {0: 0}
        self._listings: dict[int, list[list[bytes]]] = {}
        self._bodies: dict[int, bytes] = {number: _pack_attributes(a) for number, a in tree.attributes.items()}
        self._outside = 0
        """How many blocks lie outside of the inodes."""
        self._visit()
        end = self._place()
        self._metadata_end = -(-end // BLOCK) * BLOCK

    @property
    def blocks(self) -> int:
        """How many blocks the index has."""
        return _METADATA_BLOCK + self._metadata_end // BLOCK + self._outside

    def _visit(self) -> None:
        """Put what is in one directory together, for it is often looked up together."""
        tree, counts = self._tree, self._link_counts
        self.order.append(0)
        counts[0] = 2
        pending = [0]
        while pending:
            directory = pending.pop()
            names = tree.names[directory]
            self._listings[directory] = _split_into_blocks(sorted((b".", b"..", *names)))
            for number in names.values():
                if not counts[number]:
                    self.order.append(number)
                counts[number] += 1
                if number in tree.names:
                    self._parents[number] = directory
                    pending.append(number)
                    counts[number] += 1
                    counts[directory] += 1

    def _place(self) -> int:
        at = 0
        for number in self.order:
            size = self._size(number)
            inside = INODE.size + len(self._bodies.get(number, b""))
            if self._is_inline(number, size):
                inside += size
            else:
                self._outside += -(-size // BLOCK)
            if at % BLOCK + inside > BLOCK:
                at = -(-at // BLOCK) * BLOCK
            self._slots[number] = at // _SLOT
            at += -(-inside // _SLOT) * _SLOT
        return at

    def _size(self, number: int) -> int:
        """Give the size of what the index holds of an inode's data."""
        if number in self._listings:
            blocks = self._listings[number]
            return (len(blocks) - 1) * BLOCK + sum(_DIRENT.size + len(name) for name in blocks[-1])
        return len(self._tree.links.get(number, b""))

    def _is_inline(self, number: int, size: int) -> bool:
        return 0 < size <= BLOCK - INODE.size - len(self._bodies.get(number, b""))

    def pieces(self, first: int) -> Iterator[bytearray]:
        """Give the inodes, and the blocks outside of them."""
        metadata, outside = bytearray(self._metadata_end), bytearray()
        outside_at = _METADATA_BLOCK + self._metadata_end // BLOCK
        for serial, number in enumerate(self.order, start=1):
            at, body = self._slots[number] * _SLOT, self._bodies.get(number, b"")
            data = self._data(number)
            inline = self._is_inline(number, len(data))
            place = outside_at + len(outside) // BLOCK if data and not inline else None
            fields = list(INODE.unpack_from(self._tree.records, number * INODE.size))
            if data:
                fields[4] = len(data)
                fields[0], fields[5] = (_INLINE, 0) if place is None else (EXTENDED, place)
            elif stat.S_ISREG(fields[2]):
                fields[5] += first
            fields[1] = (len(body) - len(_ATTRIBUTES_HEAD)) // 4 + 1 if body else 0
            fields[6], fields[11] = serial, self._link_counts[number]
            inside = INODE.pack(*fields) + body + (data if inline else b"")
            metadata[at : at + len(inside)] = inside
            if place is not None:
                outside += data
                outside += bytes(-len(data) % BLOCK)
        yield metadata
        yield outside

    def _data(self, number: int) -> bytes | bytearray:
        if number not in self._listings:
            return self._tree.links.get(number, b"")
        data = bytearray()
        for names in self._listings.pop(number):
            data += bytes(-len(data) % BLOCK)
            data += self._pack_block(number, names)
        return data

    def _pack_block(self, directory: int, names: list[bytes]) -> bytes:
        """Pack a block of a directory: entries of fixed size, then their names."""
        children, entries = self._tree.names[directory], []
        at = _DIRENT.size * len(names)
        for name in names:
            number = directory if name == b"." else self._parents[directory] if name == b".." else children[name]
            kind = _FILE_TYPES[stat.S_IFMT(self._tree.modes[number])]
            entries.append(_DIRENT.pack(self._slots[number], at, kind, 0))
            at += len(name)
        return b"".join(entries) + b"".join(names)


def _split_into_blocks(names: list[bytes]) -> list[list[bytes]]:
    blocks: list[list[bytes]] = [[]]
    used = 0
    for name in names:
        size = _DIRENT.size + len(name)
        if used + size > BLOCK:
            blocks.append([])
            used = 0
        blocks[-1].append(name)
        used += size
    return blocks


def _pack_attributes(attributes: dict[bytes, bytes]) -> bytes:
    packed = bytearray(_ATTRIBUTES_HEAD)
    for key, value in sorted(attributes.items()):
        prefix, kind = next((prefix, kind) for prefix, kind in _PREFIXES if key.startswith(prefix))
        name = key[len(prefix) :]
        packed += _ATTRIBUTE.pack(len(name), kind, len(value)) + name + value
        packed += bytes(-len(packed) % 4)
    return bytes(packed)
