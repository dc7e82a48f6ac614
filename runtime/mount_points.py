"""Where things are mounted in a container: found and made within its root, before an OCI runtime looks for them.

Links of the image say where a path leads, also to what is not there yet, which crun does not make. They must not lead
to the kernel's own files, by which it is seen what a process is.
"""

from __future__ import annotations

import errno
import os
import stat

from runtime.errors import Fault
from runtime.kernel import open_inside
from runtime.mounts import Mount, Tmpfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final, TypeVar

    from runtime.bundle import Wishes

    #: Something that is mounted.
    M = TypeVar("M", Mount, Tmpfs)

#: Where every container has file systems of the kernel.
KERNEL_PLACES: Final = ("/proc", "/sys", "/dev")
#: The only files of /proc that something else may take the place of, as with runc: they tell of the machine.
_REPLACEABLE: Final = (
    *("/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/net/dev", "/proc/slabinfo"),
    *("/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/sys/crypto/fips_enabled", "/proc/sys/kernel/ns_last_pid"),
)
_PLACE: Final = os.O_PATH | os.O_NOFOLLOW
#: As many links as the kernel follows on the way to a file (path_resolution(7)).
_LINK_LIMIT: Final = 40
#: That of a tmpfs at a path that the image does not have.
_FOR_ALL: Final = 0o1777


def make_mount_points(root: int, wishes: Wishes, more: Iterable[Mount], working_dir: str) -> Wishes:
    """Make what is missing in an open root; return the wishes with the modes that tmpfs mounts get there.

    ``more`` is mounted beside what the wishes have. What lies in another mount is the OCI runtime's to make.
    Raises Fault.
    """
    taken, modes = [*KERNEL_PLACES], {}
    wanted: list[Mount | Tmpfs] = [*wishes.mounts, *wishes.tmpfs, *more]
    for each in sorted(wanted, key=lambda mount: mount.target.count("/")):
        _check(each.target, each)
        if not is_below(each.target, taken):
            modes[each.target] = _make_mount_point(root, each)
            taken.append(each.target)
    if not is_below(working_dir, taken):
        os.close(open_mount_point(root, working_dir, directory=True))
    return wishes._replace(
        mounts=tuple(_with_mode(each, modes) if each.kind == "tmpfs" else each for each in wishes.mounts),
        tmpfs=tuple(_with_mode(each, modes) for each in wishes.tmpfs),
    )


def is_below(path: str, places: Iterable[str]) -> bool:
    """Tell whether a path is one of some places, or lies below one."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


def open_mount_point(root: int, target: str, *, directory: bool) -> int:
    """Open a path in an open root with O_PATH; what is missing is made, an empty file unless it is to be a directory.

    Raises Fault, also if something of the other kind is there.
    """
    return _open(root, resolve(root, os.fsencode(target)), target, directory=directory)


def resolve(root: int, path: bytes) -> bytes:
    """Return where a path in an open root leads, without links; what is on the way need not be there. Raises Fault."""
    if b"\0" in path:
        raise Fault(f"the path {os.fsdecode(path)[:200]!a} holds a zero byte")
    done: list[bytes] = []
    pending, links = path.split(b"/")[::-1], 0
    while pending:
        part = pending.pop()
        if part == b"..":
            del done[-1:]
        elif part not in (b"", b"."):
            link = _read_link(root, b"/".join((*done, part)))
            if link is None:
                done.append(part)
                continue
            links += 1
            if links > _LINK_LIMIT:
                raise Fault(f"{os.fsdecode(path)} leads through too many links in the container")
            pending += link.split(b"/")[::-1]
            if link.startswith(b"/"):
                done = []
    return b"/".join(done)


def _check(place: str, wanted: Mount | Tmpfs) -> None:
    """Refuse what would take the place of the kernel's files, of which no volume of an image is one. Raises Fault."""
    if isinstance(wanted, Mount) and wanted.anonymous:
        refused = is_below(place, KERNEL_PLACES)
    else:
        is_proc = place == "/proc" and isinstance(wanted, Mount) and _is_proc(wanted.source)
        refused = is_below(place, ["/proc"]) and not is_proc and place not in _REPLACEABLE
    if refused:
        where = place if place == wanted.target else f"{wanted.target}, which leads to {place} in the container"
        raise Fault(f"nothing can be mounted at {where}: the kernel's own files are there")


def _is_proc(source: str) -> bool:
    return bool(source) and os.path.samestat(os.stat(source), os.stat("/proc"))


def _make_mount_point(root: int, wanted: Mount | Tmpfs) -> int:
    """Make what is missing at a target; return the mode that a tmpfs has to have there."""
    path = resolve(root, os.fsencode(wanted.target))
    _check(f"/{os.fsdecode(path)}", wanted)
    known = _exists(root, path)
    place = _open(root, path, wanted.target, directory=_is_directory(wanted))
    try:
        there = stat.S_IMODE(os.fstat(place).st_mode)
        if wanted.kind != "tmpfs":
            return there
        mode = _asked_mode(wanted) or (there if known else _FOR_ALL)
        if mode != there:
            os.chmod(f"/proc/self/fd/{place}", mode)  # runc gives the mount the mode of its mount point
        return mode
    finally:
        os.close(place)


def _open(root: int, path: bytes, shown: str, *, directory: bool) -> int:
    try:
        found = _make(root, path, directory=directory)
    except OSError as error:
        raise Fault(f"{shown} cannot be made in the container: {error.strerror}") from error
    if stat.S_ISDIR(os.fstat(found).st_mode) == directory:
        return found
    os.close(found)
    if directory:
        raise Fault(f"{shown} is not a directory in the container")
    raise Fault(f"{shown} is a directory in the container, so no file can be mounted there")


def _exists(root: int, path: bytes) -> bool:
    try:
        os.close(open_inside(root, path, _PLACE, links=False))
    except OSError:
        return False
    return True


def _is_directory(wanted: Mount | Tmpfs) -> bool:
    return isinstance(wanted, Tmpfs) or wanted.kind == "tmpfs" or os.path.isdir(wanted.source)


def _asked_mode(wanted: Mount | Tmpfs) -> int:
    modes = [int(option.removeprefix("mode="), 8) for option in wanted.options if option.startswith("mode=")]
    return modes[-1] if modes else 0


def _with_mode(wanted: M, modes: Mapping[str, int]) -> M:
    """Give a tmpfs the mode of what it hides: some OCI runtimes open it to everybody, others close it."""
    if wanted.target not in modes or _asked_mode(wanted):
        return wanted
    return wanted._replace(options=(*wanted.options, f"mode={modes[wanted.target]:o}"))


def _read_link(root: int, path: bytes) -> bytes | None:
    """Return where a link leads; None if there is none."""
    try:
        found = open_inside(root, path, _PLACE, links=False)
    except OSError:
        return None
    try:
        return os.readlink(b"", dir_fd=found) if stat.S_ISLNK(os.fstat(found).st_mode) else None
    finally:
        os.close(found)


def _make(root: int, path: bytes, *, directory: bool) -> int:
    """Open a path that has no links, and make what is missing. Raises OSError."""
    try:
        return open_inside(root, path or b".", _PLACE, links=False)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
    above, _, name = path.rpartition(b"/")
    folder = _make(root, above, directory=True)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=folder)
        else:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder))
        return os.open(name, _PLACE | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
