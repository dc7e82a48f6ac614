"""Parts of volumes, each mounted at a place that nobody can turn to something else before a container gets it."""

from __future__ import annotations

import os
import stat

from runtime.errors import Fault
from runtime.kernel import MNT_DETACH, MS_BIND, MS_REC, is_mount_point, mount, open_inside, unmount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container import Container
    from runtime.mounts import Mount


def mount_part(container: Container, wanted: Mount) -> str:
    """Mount a part of a volume, in the mounts of the container alone; give the path. Raises Fault."""
    root = os.open(wanted.source, os.O_PATH | os.O_DIRECTORY)
    try:
        part = open_inside(root, os.fsencode(wanted.subpath), os.O_PATH)
    except OSError as error:
        raise Fault(f"the volume has no {wanted.subpath} to mount at {wanted.target}: {error.strerror}") from error
    finally:
        os.close(root)
    try:
        place = _make_place(container, directory=stat.S_ISDIR(os.fstat(part).st_mode))
        mount(f"/proc/self/fd/{part}", place, "", MS_BIND | MS_REC)
    finally:
        os.close(part)
    return place


def _make_place(container: Container, *, directory: bool) -> str:
    folder = _folder(container)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name in os.listdir(folder):
        if not is_mount_point(f"{folder}/{name}"):  # of an earlier start
            _remove_place(f"{folder}/{name}")
    place = f"{folder}/{os.urandom(8).hex()}"
    if directory:
        os.mkdir(place)
    else:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return place


def _remove_place(place: str) -> None:
    if os.path.isdir(place):
        os.rmdir(place)
    else:
        os.unlink(place)


def unmount_parts(container: Container) -> None:
    """Unmount them, before what is the container's is removed. Raises OSError."""
    folder = _folder(container)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        while is_mount_point(f"{folder}/{name}"):
            unmount(f"{folder}/{name}", MNT_DETACH)


def _folder(container: Container) -> str:
    return f"{container.directory}/parts"
