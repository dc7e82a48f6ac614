"""What is mounted in a container, from what was asked to what is there: volumes and paths made."""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.mount_points import KERNEL_PLACES, is_below
from runtime.mounts import Mount
from runtime.volumes import NEW, WHOLE, Volumes, invent_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.container import Container

#: An honest image has a few.
_VOLUMES: Final = 100
#: What a volume is mounted with that crun takes back unless it is told.
_KEPT: Final = ("ro", "nosuid", "nodev", "noexec")


def complete(wishes: Wishes, volumes: Iterable[str]) -> Wishes:
    """Name the volumes that have no name, and add those that the image wants and nothing is mounted for.

    Raises Fault for what no honest image wants.
    """
    found = {mount.target: mount for mount in wishes.mounts}
    taken = {*found, *(tmpfs.target for tmpfs in wishes.tmpfs)}
    for path in sorted(volumes):
        target = os.path.normpath(f"/{path.lstrip('/')}")
        if target == "/" or "\0" in target or len(target) > 4095 or len(found) > len(taken) + _VOLUMES:
            raise Fault(f"the image wants a volume at {path[:100]!r}, or more than {_VOLUMES}: no honest image does")
        if is_below(target, KERNEL_PLACES):
            raise Fault(f"the image wants a volume at {target}, where the kernel's own files are: no honest image does")
        if target not in taken:
            found[target] = Mount("", target, kind="volume", anonymous=True)
    return wishes._replace(mounts=tuple(map(_name, found.values())))


def find_images(wishes: Wishes, home: str) -> Wishes:
    """Name the images that are to be mounted by their IDs, while nobody removes images. Raises Fault."""
    from runtime.images import Images  # noqa: PLC0415 - few containers have any

    images = Images(home)

    def find(mount: Mount) -> Mount:
        if mount.kind != "image":
            return mount
        record = images.find_by_name(mount.source) or images.find_by_id(mount.source)
        if record is None:
            raise Fault(f"there is no image {mount.source} on this host to mount at {mount.target}: pull it first")
        return mount._replace(source=record.image)

    return wishes._replace(mounts=tuple(map(find, wishes.mounts)))


def _name(mount: Mount) -> Mount:
    return mount._replace(source=invent_name()) if mount.anonymous and not mount.source else mount


def prepare(container: Container, wishes: Wishes, root: int) -> Wishes:
    """Make what is not there, and give the wishes with paths of this host in place of volumes' names.

    A container that was never started fills its empty volumes from its open root. Raises Fault.
    """
    volumes, fresh = Volumes(container.home), not container.state().started
    mounts = (_prepare(container, volumes, each, root, fresh=fresh) for each in wishes.mounts)
    return wishes._replace(mounts=tuple(_choose_part(container, mount) if mount.subpath else mount for mount in mounts))


def _choose_part(container: Container, mount: Mount) -> Mount:
    """Give a part of a volume a path of its own, for what leads to it may change before it is mounted. Raises Fault."""
    from runtime.parts import mount_part  # noqa: PLC0415 - few containers have any

    return mount._replace(source=mount_part(container, mount))


def _prepare(container: Container, volumes: Volumes, mount: Mount, root: int, *, fresh: bool) -> Mount:
    if mount.kind == "tmpfs":
        return mount
    if mount.kind == "image":
        from runtime.parts import mount_image  # noqa: PLC0415 - few containers have any

        return mount._replace(source=mount_image(container, mount.source), kind="bind")
    if mount.kind == "volume":
        held = volumes.take(mount)
        try:
            options = volumes.get(mount.source).options
            if options:
                from runtime.volume_mounts import mount_volume  # noqa: PLC0415 - few volumes have any

                mount_volume(volumes, mount.source)
            # With Docker what is copied into memory is gone before the container starts.
            if fresh and mount.copy and options.get("type") != "tmpfs":
                _fill(volumes.directory(mount.source), root, mount.target)
        finally:
            os.close(held)
        kept = [word for word in options.get("o", "").split(",") if word in _KEPT]
        return mount._replace(source=volumes.data(mount.source), kind="bind", options=(*mount.options, *kept))
    if not os.path.exists(mount.source):
        if not mount.make:
            raise Fault(f"there is no {mount.source} on this host, and it is to be mounted at {mount.target}")
        os.makedirs(mount.source, exist_ok=True)
    if not os.path.isdir(mount.source):
        # Nothing can lie below a file, and crun looks for a directory there.
        return mount._replace(options=tuple("ro" if o == "rro" else o for o in mount.options))
    return mount


def _fill(volume: str, root: int, target: str) -> None:
    """Fill a volume that is empty, or was being filled."""
    if os.listdir(f"{volume}/data") and not {NEW, WHOLE}.intersection(os.listdir(volume)):
        return
    from runtime.filling import fill  # noqa: PLC0415 - it copies trees, and a volume is filled once

    fill(volume, root, target)
