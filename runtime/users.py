"""Who a container's process is, by the image's own user and group files (image-spec, config.md, "User")."""

from __future__ import annotations

import os
import stat

from runtime.errors import Fault
from runtime.kernel import open_inside
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

_FILE_LIMIT: Final = 4 * 1024 * 1024
_ID_LIMIT: Final = 2**31 - 1


class User(NamedTuple):
    """Ids as the kernel knows them. ``groups`` are those beside ``gid``."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def find_user(text: str, passwd: str, group: str, more: Sequence[str] = ()) -> User:
    """Resolve ``user``, ``uid``, ``user:group`` and so on, as Docker does; empty means root.

    A number that the files do not know is taken as it is. ``more`` are other groups it shall be in. Raises Fault for a
    name they do not know.
    """
    wanted, colon, wanted_group = text.partition(":")
    wanted = wanted or "0"
    row = next((r for r in _rows(passwd, 7) if wanted in (r[0], r[2])), None)
    if row is None and not _is_id(wanted):
        raise Fault(f"the image has no user {wanted!r} in its /etc/passwd")
    uid = int(row[2]) if row else int(wanted)
    home = (row[5] if row else "") or "/"
    added = {_find_group(name, group) for name in more}
    if colon and wanted_group:
        return User(uid, _find_group(wanted_group, group), tuple(sorted(added)), home)
    gid = int(row[3]) if row else 0
    name = row[0] if row else ""
    others = (int(r[2]) for r in _rows(group, 4) if name and name in r[3].split(","))
    return User(uid, gid, tuple(sorted({g for g in others if g != gid} | added)), home)


def read_inside(root: int, path: bytes) -> str:
    """Read a small file below an open directory, following links within it only; empty if there is none."""
    try:
        file = open_inside(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        # The image may have put a device or a pipe there.
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return os.read(file, _FILE_LIMIT).decode(errors="replace")
    finally:
        os.close(file)


def _find_group(wanted: str, group: str) -> int:
    row = next((r for r in _rows(group, 4) if wanted in (r[0], r[2])), None)
    if row is None and not _is_id(wanted):
        raise Fault(f"the image has no group {wanted!r} in its /etc/group")
    return int(row[2]) if row else int(wanted)


def _rows(content: str, fields: int) -> Iterator[list[str]]:
    """Give the well-formed lines; the others are passed over, as the C library does."""
    for line in content.split("\n"):
        row = line.split(":")
        if len(row) == fields and _is_id(row[2]) and (fields == 4 or _is_id(row[3])):
            yield row


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _ID_LIMIT
