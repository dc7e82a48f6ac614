"""Reading the tar archive of a layer: ustar, GNU long names and pax, from a stream.

Not ``tarfile``: it ends in silence at a damaged header, reads headers of any size into memory, and takes three times as
long. Formats: POSIX.1-2017, "pax Interchange Format", and the GNU tar manual, "Basic Tar Format".
"""

import stat
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from runtime.errors import LayerInvalid

BLOCK: Final = 512
#: What pax records or a long name may take for one entry, in bytes; Linux paths end at 4096.
_EXTENSION_LIMIT: Final = 1024 * 1024
#: Extended headers before one entry; writers put two at most.
_EXTENSIONS: Final = 16
#: The largest id chown(2) takes, and the furthest time from 1970 that is kept, in nanoseconds.
_ID_LIMIT: Final = 2**32 - 2
_TIME_LIMIT: Final = 2**40 * 10**9
_ZEROS: Final = bytes(BLOCK)
#: Name, mode, uid, gid, size, mtime, checksum, kind, link, magic, device and prefix.
_HEADER: Final = struct.Struct("100s8s8s8s12s12s8sc100s6s66x16s155s12x")
_XATTR: Final = b"SCHILY.xattr."

_KINDS: Final = {
    b"0": stat.S_IFREG,
    b"\0": stat.S_IFREG,
    b"7": stat.S_IFREG,
    b"1": 0,
    b"2": stat.S_IFLNK,
    b"3": stat.S_IFCHR,
    b"4": stat.S_IFBLK,
    b"5": stat.S_IFDIR,
    b"6": stat.S_IFIFO,
}
HARD_LINK: Final = 0


class Source(Protocol):
    """A stream of bytes that is read once."""

    def read(self, size: int, /) -> bytes:
        """Read that many bytes, fewer only at the end."""

    def skip(self, size: int, /) -> None:
        """Pass over bytes. Raises LayerInvalid if the stream ends before."""


class Entry(NamedTuple):
    """A member of the archive. Names are bytes as they stand there, not checked for what they lead to."""

    name: bytes
    kind: int
    """One of the ``stat.S_IF...``, or ``HARD_LINK``."""
    mode: int
    """Permission bits, with setuid, setgid and sticky."""
    uid: int
    gid: int
    size: int
    mtime: int
    """In nanoseconds since the epoch."""
    link: bytes
    device: int
    xattrs: dict[bytes, bytes]


def entries(source: Source) -> Iterator[Entry]:
    """Read entry by entry; what the consumer leaves of a file's content must be skipped by it, padding is not its care.

    Raises:
        LayerInvalid: the archive is damaged, or uses what no layer has: sparse files, unknown kinds of entry.

    """
    while (header := _next_header(source)) is not None:
        pax: dict[bytes, bytes] = {}
        extensions = 0
        while (kind := header[156:157]) in (b"x", b"g", b"L", b"K"):
            extensions += 1
            if extensions > _EXTENSIONS:
                raise LayerInvalid(f"more than {_EXTENSIONS} extended headers before one entry of the layer")
            value = _read_extension(source, header)
            if kind == b"x":
                pax |= _read_pax(value)
            elif kind == b"L":
                pax[b"path"] = value.rstrip(b"\0")
            elif kind == b"K":
                pax[b"linkpath"] = value.rstrip(b"\0")
            following = _next_header(source)
            if following is None:
                raise LayerInvalid("the layer's archive ends after half an entry")
            header = following
        entry = _read_entry(header, pax)
        yield entry
        source.skip(-entry.size % BLOCK)


def _next_header(source: Source) -> bytes | None:
    header = source.read(BLOCK)
    if header in (_ZEROS, b""):
        return None
    if len(header) < BLOCK:
        raise LayerInvalid("the layer's archive is cut off in the middle of a header")
    if not _is_sum(_number(header[148:156]), header):
        raise LayerInvalid("the layer's archive is damaged: the checksum of a header is wrong")
    return header


def _is_sum(checksum: int, header: bytes) -> bool:
    """Tell whether this is the sum of a header's bytes, in which the checksum itself counts as spaces.

    Some old writers summed the bytes as signed; none of them made layers.
    """
    whole = checksum - 8 * 0x20 + sum(header[148:156])
    # The lower half of Adler-32 is the sum of the bytes, but for multiples of 65521, and C code adds it up.
    return 0 <= whole <= 255 * BLOCK and zlib.adler32(header) & 0xFFFF == (whole + 1) % 65521


def _read_extension(source: Source, header: bytes) -> bytes:
    size = _number(header[124:136])
    if not 0 <= size <= _EXTENSION_LIMIT:
        raise LayerInvalid(f"an extended header of {size} bytes: no honest layer has one above {_EXTENSION_LIMIT}")
    value = source.read(size)
    if len(value) < size:
        raise LayerInvalid("the layer's archive is cut off in the middle of an extended header")
    source.skip(-size % BLOCK)
    return value


def _read_pax(records: bytes) -> dict[bytes, bytes]:
    """Read records of the form ``length key=value newline``, where the length counts itself."""
    found = {}
    position = 0
    while position < len(records):
        space = records.find(b" ", position, position + 20)
        digits = records[position:space]
        if space < 0 or not digits.isdigit():
            raise LayerInvalid("a pax header of the layer is malformed")
        end = position + int(digits)
        key, equals, value = records[space + 1 : end - 1].partition(b"=")
        if end > len(records) or end <= space or not equals or records[end - 1 : end] != b"\n":
            raise LayerInvalid("a pax header of the layer is malformed")
        found[key] = value
        position = end
    return found


def _read_entry(header: bytes, pax: dict[bytes, bytes]) -> Entry:
    name, mode, uid, gid, size, mtime, _, form, link, magic, device, prefix = _HEADER.unpack(header)
    kind = _KINDS.get(form)
    name = pax.get(b"path") or _join(name, prefix, magic)
    if kind is None or (pax and any(key.startswith(b"GNU.sparse") for key in pax)):
        what = "of an unknown kind" if kind is None and form != b"S" else "a sparse file"
        raise LayerInvalid(f"the entry {_show(name)} of the layer is {what}, which is not supported")
    if kind == stat.S_IFREG and name.endswith(b"/"):
        kind = stat.S_IFDIR  # as archives from before ustar say it
    owner, group = _pax_number(pax, b"uid", uid), _pax_number(pax, b"gid", gid)
    length = _pax_number(pax, b"size", size)
    if length < 0 or not (0 <= owner <= _ID_LIMIT and 0 <= group <= _ID_LIMIT):
        raise LayerInvalid(f"the entry {_show(name)} of the layer has the size {length} and the owner {owner}:{group}")
    time = _pax_time(pax[b"mtime"]) if b"mtime" in pax else _number(mtime) * 10**9
    return Entry(
        name=name,
        kind=kind,
        mode=_number(mode) & 0o7777,
        uid=owner,
        gid=group,
        size=length if kind == stat.S_IFREG else 0,
        mtime=max(-_TIME_LIMIT, min(time, _TIME_LIMIT)),
        link=pax.get(b"linkpath") or link.partition(b"\0")[0],
        device=_device(device) if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0,
        xattrs={key[len(_XATTR) :]: value for key, value in pax.items() if key.startswith(_XATTR)} if pax else {},
    )


def _join(name: bytes, prefix: bytes, magic: bytes) -> bytes:
    name = name.partition(b"\0")[0]
    # GNU's own format has times where ustar has the prefix; its magic ends differently.
    if prefix[0] and magic == b"ustar\0":
        return prefix.partition(b"\0")[0] + b"/" + name
    return name


def _device(numbers: bytes) -> int:
    major, minor = _number(numbers[:8]), _number(numbers[8:])
    if not (0 <= major < 1 << 12 and 0 <= minor < 1 << 20):
        raise LayerInvalid(f"a device of the layer has the impossible number {major}:{minor}")
    # makedev(3) as the kernel's 32-bit dev_t has it.
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)


@lru_cache(1024)
def _number(field: bytes) -> int:
    """Read octal digits, or GNU's base-256 form, which the highest bit tells."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    digits = field.strip(b" \0").partition(b"\0")[0]
    try:
        return int(digits, 8) if digits else 0
    except ValueError as error:
        raise LayerInvalid("the layer's archive is damaged: a number of a header is none") from error


def _pax_number(pax: dict[bytes, bytes], key: bytes, field: bytes) -> int:
    value = pax.get(key)
    if value is None:
        return _number(field)
    if not value.isdigit() or len(value) > 19:
        raise LayerInvalid(f"a pax header of the layer has the {key.decode()} {_show(value)}")
    return int(value)


def _pax_time(value: bytes) -> int:
    """Read seconds with any number of decimals, as nanoseconds."""
    whole, _, fraction = value.strip().partition(b".")
    negative = whole.startswith(b"-")
    digits = whole.removeprefix(b"-")
    if not (digits.isdigit() or (fraction.isdigit() and not digits)) or (fraction and not fraction.isdigit()):
        raise LayerInvalid(f"a pax header of the layer has the time {_show(value)}")
    nanoseconds = int(digits[:19] or b"0") * 10**9 + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if negative else nanoseconds


def _show(name: bytes) -> str:
    return repr(name[:200].decode(errors="backslashreplace"))
