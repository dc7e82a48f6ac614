"""Volumes that are file systems of their own, as Docker's driver local mounts them: ``type``, ``device`` and ``o``.

Root mounts them where all of the host sees them, so that containers share what is mounted: before the first container
that has the volume gets its own mounts, and until the last has ended. Others mount them for one container alone.
"""

from __future__ import annotations

import errno
import os

from runtime.errors import Fault
from runtime.kernel import MNT_DETACH, MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT, is_mount_point, mount, unmount
from runtime.lean import NamedTuple, suppress
from runtime.lock import lock
from runtime.rootless import privileges
from runtime.volumes import Volumes, volume_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from runtime.container import Container, Description
    from runtime.containers import Containers

#: Options that are flags of mount(2): those that set one, and those that take it back.
_SET: Final = {
    "ro": MS_RDONLY,
    "nosuid": 2,
    "nodev": 4,
    "noexec": 8,
    "sync": 16,
    "mand": 64,
    "dirsync": 128,
    "noatime": 1 << 10,
    "nodiratime": 1 << 11,
    "relatime": 1 << 21,
    "strictatime": 1 << 24,
    "bind": MS_BIND,
    "rbind": MS_BIND | MS_REC,
}
_TAKEN_BACK: Final = {
    "rw": MS_RDONLY,
    "suid": 2,
    "dev": 4,
    "exec": 8,
    "async": 16,
    "nomand": 64,
    "atime": 1 << 10,
    "diratime": 1 << 11,
    "norelatime": 1 << 21,
    "nostrictatime": 1 << 24,
    "defaults": 0,
}
#: How mounts are passed on, which takes a call of its own.
_PROPAGATIONS: Final = {
    f"{r}{name}": flag | (MS_REC if r else 0)
    for name, flag in {"unbindable": 1 << 17, "private": 1 << 18, "slave": 1 << 19, "shared": 1 << 20}.items()
    for r in ("", "r")
}


class Call(NamedTuple):
    """What mount(2) is given, and then for the propagation."""

    device: str
    kind: str
    flags: int
    data: str
    propagation: int


def read_call(options: Mapping[str, str]) -> Call:
    """Make of a volume's options what mount(2) takes. Raises Fault for a server whose name leads to no address."""
    flags = propagation = 0
    data = []
    for word in filter(None, options.get("o", "").split(",")):
        if word in _SET:
            flags |= _SET[word]
        elif word in _TAKEN_BACK:
            flags &= ~_TAKEN_BACK[word]
        elif word in _PROPAGATIONS:
            propagation |= _PROPAGATIONS[word]
        elif word.startswith("addr="):
            data.append(f"addr={_find_address(word.removeprefix('addr='))}")
        else:
            data.append(word)
    return Call(options.get("device", ""), options.get("type", ""), flags, ",".join(data), propagation)


def _find_address(host: str) -> str:
    """Find the address of a server, which the kernel does not do."""
    import socket  # noqa: PLC0415 - for file systems of the network alone

    try:
        return str(socket.getaddrinfo(host, None)[0][4][0])
    except OSError as error:
        raise Fault(f"the server {host} of a volume has no address: {error.strerror}") from error


def mount_volume(volumes: Volumes, name: str) -> None:
    """Mount a volume that we hold the lock of, unless it has no options or is mounted already. Raises Fault."""
    options, place = volumes.get(name).options, volumes.data(name)
    if not options or is_mount_point(place):
        return
    call = read_call(options)
    try:
        mount(call.device, place, call.kind, call.flags, call.data)
        if call.propagation:
            mount("none", place, "", call.propagation)
        if call.flags & MS_BIND and call.flags & MS_RDONLY:
            mount("none", place, "", call.flags | MS_REMOUNT)
    except OSError as error:
        unmount_volume(volumes, name)
        raise Fault(f"the volume {name} cannot be mounted: {_explain(error, options)}") from error


def _explain(error: OSError, options: Mapping[str, str]) -> str:
    told = " ".join(f"{key}={options[key]}" for key in ("type", "device", "o") if options.get(key))
    cure = ""
    if error.errno == errno.EPERM and not privileges().of_host:
        cure = "; without root only a tmpfs and directories of this host (type=none, o=bind) can be mounted"
    elif error.errno == errno.ENODEV:
        cure = f"; this kernel knows no file system {options.get('type')!r}: is its module there?"
    return f"{told}: {error.strerror}{cure}"


def unmount_volume(volumes: Volumes, name: str) -> None:
    """Unmount whatever is mounted as a volume that we hold the lock of. Raises OSError."""
    place = volumes.data(name)
    while is_mount_point(place):
        unmount(place, MNT_DETACH)


def mount_for_all(container: Container, description: Description) -> list[str]:
    """Mount a container's volumes for all of the host, before it has its own mounts; give those that have options.

    Raises Fault.
    """
    volumes, found = Volumes(container.home), []
    if not privileges().of_host:
        return []
    for name in volume_names(description.wishes["mounts"]):
        held = lock(volumes.directory(name), wait=True)
        if held is None:
            continue  # it was removed, and is made anew
        try:
            if volumes.get(name).options:
                found.append(name)
                mount_volume(volumes, name)
        finally:
            os.close(held)
    return found


def release(containers: Containers, container: Container) -> None:
    """Unmount the volumes of a container that has ended, where no other one that runs has them."""
    volumes = Volumes(container.home)
    with suppress(FileNotFoundError):
        for name in volume_names(container.describe().wishes.get("mounts", ())):
            held = lock(volumes.directory(name), wait=True)
            if held is None:
                continue
            try:
                if volumes.get(name).options and not is_in_use(containers, name, leaving=container):
                    unmount_volume(volumes, name)
            finally:
                os.close(held)


def is_in_use(containers: Containers, name: str, *, leaving: Container | None = None) -> bool:
    """Tell whether a container other than ``leaving`` that runs, or is being started, has a volume."""
    for each in containers.started():
        if each.home == containers.home and (leaving is None or each.id != leaving.id):
            with suppress(Fault, OSError):
                if name in volume_names(each.describe().wishes.get("mounts", ())):
                    return True
    return False
