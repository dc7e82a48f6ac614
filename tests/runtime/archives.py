"""Archives no honest tool would write: each header field is what the test says."""

import io
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from runtime.archive import Read
from runtime.config import DIRECTORIES
from runtime.layers import ARCHIVE, INDEX, ROOT, mount_archive
from runtime.maker import make

END = bytes(1024)
REG, HARD, SYM, CHR, BLK, DIR, FIFO, SPARSE = b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"S"


def header(  # a field each
    name: bytes,
    kind: bytes = REG,
    *,
    size: int = 0,
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    mtime: int = 1_000_000_000,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    size_field: bytes | None = None,
) -> bytes:
    """One header block, its checksum right."""
    fields = [
        name[:100].ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % owner[0],
        b"%07o\0" % owner[1],
        size_field or b"%011o\0" % size,
        b"%011o\0" % mtime,
        b" " * 8,
        kind,
        link[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0" % device[0],
        b"%07o\0" % device[1],
    ]
    block = b"".join(fields).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def file(name: bytes, content: bytes = b"", mode: int = 0o644) -> bytes:
    return header(name, size=len(content), mode=mode) + padded(content)


def pax(records: Mapping[str, bytes], kind: bytes = b"x") -> bytes:
    """An extended header for the entry behind it."""
    body = b"".join(_record(key.encode(), value) for key, value in records.items())
    return header(b"pax", kind, size=len(body)) + padded(body)


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return b"%d" % length + rest


def make_here(archive: bytes, folder: Path, mode: str) -> Read:
    """Make a layer in this process; what becomes of it is at ``folder / ROOT``, and to be unmounted."""
    folder.mkdir(exist_ok=True)
    done = make(io.BytesIO(archive), folder, mode)
    if mode != DIRECTORIES:
        mount_archive(folder / INDEX, folder / ARCHIVE, folder / ROOT)
    return done


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    """All that can be known of each entry below a directory, by its path."""
    found = {}
    for path in [root, *root.rglob("*")]:
        state = path.lstat()
        content: bytes | str = b""
        if stat.S_ISREG(state.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(state.st_mode):
            content = str(path.readlink())
        names = sorted(os.listxattr(path, follow_symlinks=False))
        found[str(path.relative_to(root))] = (
            stat.filemode(state.st_mode),
            (state.st_uid, state.st_gid),
            state.st_mtime_ns,
            state.st_rdev,
            0 if stat.S_ISDIR(state.st_mode) else state.st_nlink,
            content,
            {name: os.getxattr(path, name, follow_symlinks=False) for name in names},
        )
    return found


def timeless(found: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """A listing without the times of directories, which writing to them changes."""
    return {name: (*e[:2], 0, *e[3:]) if str(e[0]).startswith("d") else e for name, e in found.items()}
