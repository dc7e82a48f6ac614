"""Parts of volumes, and images: mounted where nobody can turn them to something else before a container gets them."""

from __future__ import annotations

import os
import stat

from runtime.errors import Fault
from runtime.kernel import MNT_DETACH, MS_BIND, MS_REC, is_mount_point, mount, open_inside, unmount
from runtime.removal import remove_tree

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
        raise Fault(f"there is no {wanted.subpath} to mount at {wanted.target}: {error.strerror}") from error
    finally:
        os.close(root)
    try:
        place = _make_place(container, directory=stat.S_ISDIR(os.fstat(part).st_mode))
        mount(f"/proc/self/fd/{part}", place, "", MS_BIND | MS_REC)
    finally:
        os.close(part)
    return place


def mount_image(container: Container, image: str) -> str:
    """Mount the layers of an image, in the mounts of the container alone; give the path. Raises Fault."""
    from runtime.images import Images  # noqa: PLC0415 - not for those who only unmount
    from storage.oci.digest import Digest  # noqa: PLC0415

    images = Images(container.home)
    place = _make_place(container, directory=True)
    images.layers.mount_read_only(images.config(Digest(image), image).rootfs.diff_ids, place)
    return place


def _make_place(container: Container, *, directory: bool) -> str:
    folder = _folder(container)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    _remove_old(folder)
    place = f"{folder}/{os.urandom(8).hex()}"
    if directory:
        os.mkdir(place)
    else:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return place


def _remove_old(folder: str) -> None:
    """Remove the places of an earlier start, where nothing is mounted any more."""
    names = os.listdir(folder)
    mounted = {name for name in names if is_mount_point(f"{folder}/{name}")}
    for name in names:
        # What an overlay is made of is beside it.
        if name.removesuffix(".lower") in mounted:
            continue
        if os.path.isdir(f"{folder}/{name}"):
            remove_tree(f"{folder}/{name}")
        else:
            os.unlink(f"{folder}/{name}")


def unmount_parts(container: Container) -> None:
    """Unmount them, before what is the container's is removed. Raises OSError."""
    folder = _folder(container)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        while is_mount_point(f"{folder}/{name}"):
            unmount(f"{folder}/{name}", MNT_DETACH)


def _folder(container: Container) -> str:
    return f"{container.directory}/parts"
