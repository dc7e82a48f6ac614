"""Mounts that a container and this host pass on to each other below a path that both see (mount_namespaces(7))."""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.kernel import clone_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

_SHARED: Final = frozenset({"shared", "rshared"})
_SLAVE: Final = frozenset({"slave", "rslave"})


def open_shared(mounts: Iterable[dict[str, Any]]) -> list[tuple[int, str]]:
    """Open what is to pass on mounts in both directions, while this process has the host's mounts: files and paths.

    They belong over the copies that a mount namespace of our own has, which pass nothing on to the host.

    ``mounts`` are those of a container's record. Raises Fault if this host does not pass them on, and OSError.
    """
    opened = []
    for mount in mounts:
        source, options = mount["source"], set(mount["options"])
        if options & (_SHARED | _SLAVE):
            if mount["make"]:
                os.makedirs(source, exist_ok=True)
            _check(source, shared=bool(options & _SHARED))
        if options & _SHARED:
            opened.append((clone_tree(source), source))
    return opened


def _check(path: str, *, shared: bool) -> None:
    point, marks = _mount_of(path)
    if not any(mark.startswith("shared:" if shared else ("shared:", "master:")) for mark in marks):
        needed = "a shared mount" if shared else "a shared or slave mount"
        raise Fault(f"path {path} is mounted on {point} but it is not {needed}: mount --make-shared {point}")


def _mount_of(path: str) -> tuple[str, list[str]]:
    """Find the mount that a path is in, and what it passes on, as proc_pid_mountinfo(5) says."""
    opened = os.open(path, os.O_PATH)
    try:
        with open(f"/proc/self/fdinfo/{opened}", encoding="ascii") as info:
            (number,) = (line.split()[1] for line in info if line.startswith("mnt_id:"))
    finally:
        os.close(opened)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        rows = (line.split() for line in table)
        row = next(row for row in rows if row[0] == number)
    return row[4], row[6 : row.index("-")]
