"""The devices of a container."""

import os
import stat

from runtime.errors import Fault
from runtime.lean import NamedTuple
from runtime.resources import DISK_LIMITS, WEIGHT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Final

    from runtime.resources import DiskLimit

#: A rule for all there are.
_EVERYTHING: "Final" = "rwm"
#: Where the container has file systems of its own, or this host alone has something.
_OF_THE_CONTAINER: "Final" = ("pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev")


class Device(NamedTuple):
    """A device of this host that a container shall have, or a directory of them."""

    source: str
    target: str
    access: str = _EVERYTHING


class Node(NamedTuple):
    """A device as a file."""

    path: str
    """Where it is in the container."""
    status: os.stat_result
    access: str = _EVERYTHING

    @property
    def kind(self) -> str:
        """``c`` or ``b``."""
        return "c" if stat.S_ISCHR(self.status.st_mode) else "b"

    def describe(self) -> "dict[str, Any]":
        """Say how to make it (runtime-spec, config-linux.md, "Devices")."""
        return {
            "path": self.path,
            "type": self.kind,
            "major": os.major(self.status.st_rdev),
            "minor": os.minor(self.status.st_rdev),
            "fileMode": stat.S_IMODE(self.status.st_mode),
            "uid": self.status.st_uid,
            "gid": self.status.st_gid,
        }

    def allow(self) -> "dict[str, Any]":
        """Say that it may be used."""
        rule = {"allow": True, "type": self.kind, "access": self.access}
        return rule | {"major": os.major(self.status.st_rdev), "minor": os.minor(self.status.st_rdev)}


def find_nodes(devices: "Sequence[Device]", *, privileged: bool) -> list[Node]:
    """Look at the devices on this host; ``privileged`` means all. Raises Fault if one is none."""
    if privileged:
        return list(_walk("/dev", "/dev", _EVERYTHING))
    nodes: list[Node] = []
    for device in devices:
        found = list(_look(device))
        if not found:
            raise Fault(f"--device {device.source}: it is no device, and no directory with devices in it")
        nodes += found
    return nodes


def find_disk_limits(limits: "Sequence[DiskLimit]") -> "dict[str, list[dict[str, int]]]":
    """Give limits of disks as ``linux.resources.blockIO`` has them. Raises Fault for what is no disk here."""
    found: dict[str, list[dict[str, int]]] = {}
    for limit in limits:
        try:
            status = os.stat(limit.path)
        except OSError as error:
            raise Fault(f"{limit.option} {limit.path}: {error.strerror}") from error
        if not stat.S_ISBLK(status.st_mode):
            raise Fault(f"{limit.option} {limit.path}: it is not a disk")
        numbers = {"major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev)}
        value = {"weight" if limit.option == WEIGHT else "rate": limit.rate}
        found.setdefault(DISK_LIMITS[limit.option], []).append(numbers | value)
    return found


def read_rule(text: str) -> "dict[str, Any]":
    """Give what ``--device-cgroup-rule`` takes as a rule."""
    kind, numbers, access = text.split()
    major, _, minor = numbers.partition(":")
    rule: dict[str, Any] = {"allow": True, "type": kind, "access": access}
    return rule | {name: int(each) for name, each in (("major", major), ("minor", minor)) if each != "*"}


def rules(nodes: "Sequence[Node]", *, privileged: bool, more: "Sequence[str]" = ()) -> "list[dict[str, Any]]":
    """Forbid all devices but the usual ones and these; any may be made, but not opened (moby, oci/defaults.go).

    ``more`` are rules of the command line.
    """
    if privileged:
        return [{"allow": True, "access": _EVERYTHING}]
    usual = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None))
    given: list[dict[str, Any]] = [
        {"allow": False, "access": _EVERYTHING},
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "b", "access": "m"},
    ]
    for major, minor in usual:
        rule = {"allow": True, "type": "c", "major": major, "access": _EVERYTHING}
        given.append(rule if minor is None else rule | {"minor": minor})
    return [*given, *(node.allow() for node in nodes), *map(read_rule, more)]


def _look(device: Device) -> "Iterator[Node]":
    try:
        status = os.stat(device.source)
    except OSError as error:
        raise Fault(f"--device {device.source}: {error.strerror}") from error
    if _is_device(status):
        yield Node(device.target, status, device.access)
    elif stat.S_ISDIR(status.st_mode):
        yield from _walk(device.source, device.target, device.access)


def _walk(source: str, target: str, access: str) -> "Iterator[Node]":
    """Give the devices of a directory; links are left out, for what they lead to is elsewhere."""
    for entry in os.scandir(source):
        path = f"{target}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _OF_THE_CONTAINER:
                yield from _walk(entry.path, path, access)
        elif _is_device(status := entry.stat(follow_symlinks=False)) and entry.path != "/dev/console":
            yield Node(path, status, access)


def _is_device(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
