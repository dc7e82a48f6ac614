"""Who a container's process is, by the image's own user and group files (image-spec, config.md, "User")."""

from __future__ import annotations

import os
import stat

from runtime.errors import CommandNotExecutable, Fault
from runtime.kernel import may_execute, open_inside
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

    A number is an ID and never a name, or an image could make any user root; it need not be in the files. ``more`` are
    other groups the user shall be in. Raises Fault for a name that the files do not know, and for no possible ID.
    """
    wanted, colon, wanted_group = text.partition(":")
    uid, row = _look_up(wanted or "0", _rows(passwd, 7), "user", "passwd")
    home = (row[5] if row else "") or "/"
    added = {_find_group(name, group) for name in more}
    if colon and wanted_group:
        return User(uid, _find_group(wanted_group, group), tuple(sorted(added)), home)
    gid = int(row[3]) if row else 0
    name = row[0] if row else ""
    others = (int(r[2]) for r in _rows(group, 4) if name and name in r[3].split(","))
    return User(uid, gid, tuple(sorted({g for g in others if g != gid} | added)), home)


def check_group_names(user: User, group: str) -> None:
    """Refuse groups whose numbers runc would take for names, and so put the user into others. Raises Fault."""
    numbers = {str(gid) for gid in (user.gid, *user.groups)}
    for name, _, gid, _ in _rows(group, 4):
        if name in numbers and int(gid) != int(name):
            raise Fault(
                f"the image has a group named '{name}' whose ID is {gid}, and runc would take the ID {name} for that"
                " name: use crun, or another group"
            )


def check_command(root: int, user: User, words: Sequence[str], directory: str) -> None:
    """Refuse a command of an open root that its user may not execute: crun takes it for started. Raises Fault."""
    command = words[0] if words else ""
    if user.uid == 0 or "/" not in command:
        return
    path = command if command.startswith("/") else f"{directory}/{command}"
    if not may_execute(root, os.fsencode(path), user.uid, (user.gid, *user.groups)):
        raise CommandNotExecutable(f"the container's command cannot be executed: {command}: Permission denied")


def read_inside(root: int, path: bytes) -> str:
    """Read a small file below an open directory, following links within it only; empty if there is none.

    Raises Fault for what is no file. That is not even opened: to open a device has effects, and a pipe is waited for.
    """
    try:
        found = open_inside(root, path, os.O_PATH)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise Fault(f"/{os.fsdecode(path)} in the container is not a regular file, so no user can be found in it")
        file = os.open(f"/proc/self/fd/{found}", os.O_RDONLY)
    finally:
        os.close(found)
    try:
        return os.read(file, _FILE_LIMIT).decode(errors="replace")
    finally:
        os.close(file)


def _find_group(wanted: str, group: str) -> int:
    return _look_up(wanted, _rows(group, 4), "group", "group")[0]


def _look_up(wanted: str, rows: Iterator[list[str]], kind: str, file: str) -> tuple[int, list[str] | None]:
    """Return an ID, and the first row with it: of a number, or of a name that a row has. Raises Fault."""
    number = _read_number(wanted, kind)
    row = next((r for r in rows if (r[0] == wanted if number is None else int(r[2]) == number)), None)
    if number is not None:
        return number, row
    if row is None:
        raise Fault(f"the image has no {kind} '{wanted}' in its /etc/{file}")
    return int(row[2]), row


def _read_number(text: str, kind: str) -> int | None:
    """Return an ID that is given as a number; None for a name. Raises Fault if there cannot be such an ID."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    if text.startswith("-") or not _is_id(digits.lstrip("0") or "0"):
        raise Fault(f"the {kind} '{text}' is out of range: IDs are from 0 to {_ID_LIMIT}")
    return int(digits)


def _rows(content: str, fields: int) -> Iterator[list[str]]:
    """Give the well-formed lines; the others are passed over, as the C library does."""
    for line in content.split("\n"):
        row = line.split(":")
        if len(row) == fields and _is_id(row[2]) and (fields == 4 or _is_id(row[3])):
            yield row


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _ID_LIMIT
