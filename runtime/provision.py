"""What is mounted in a container, from what was asked to what is there: volumes made and filled, paths made."""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.kernel import open_inside, sync_file_system
from runtime.mounts import Mount
from runtime.removal import remove_tree
from runtime.tree_reader import describe, read_tree
from runtime.tree_writer import TreeWriter, dress
from runtime.volumes import Volumes, invent_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.container import Container

#: An honest image has a few.
_VOLUMES: Final = 100


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
        if target not in taken:
            found[target] = Mount("", target, kind="volume", anonymous=True)
    return wishes._replace(mounts=tuple(map(_name, found.values())))


def _name(mount: Mount) -> Mount:
    return mount._replace(source=invent_name()) if mount.anonymous and not mount.source else mount


def prepare(container: Container, wishes: Wishes, root: int) -> Wishes:
    """Make what is not there, and give the wishes with paths of this host in place of volumes' names.

    A container that was never started fills its empty volumes from its open root. Raises Fault.
    """
    volumes, fresh = Volumes(container.home), not container.state().started
    return wishes._replace(mounts=tuple(_prepare(volumes, each, root, fresh=fresh) for each in wishes.mounts))


def _prepare(volumes: Volumes, mount: Mount, root: int, *, fresh: bool) -> Mount:
    if mount.kind == "tmpfs":
        return mount
    if mount.kind == "volume":
        held = volumes.take(mount.source, anonymous=mount.anonymous)
        try:
            if fresh and mount.copy:
                fill(volumes.directory(mount.source), root, mount.target)
        finally:
            os.close(held)
        return mount._replace(source=volumes.data(mount.source), kind="bind")
    if not os.path.exists(mount.source):
        if not mount.make:
            raise Fault(f"there is no {mount.source} on this host, and it is to be mounted at {mount.target}")
        os.makedirs(mount.source, exist_ok=True)
    if not os.path.isdir(mount.source):
        # Nothing can lie below a file, and crun looks for a directory there.
        return mount._replace(options=tuple("ro" if o == "rro" else o for o in mount.options))
    return mount


def fill(volume: str, root: int, target: str) -> None:
    """Copy what an open root has at a path into an empty volume, which we hold the lock of.

    The copy is made beside, and moved in when it is whole; a later call goes on with that if we are killed. Raises
    Fault if the path is no directory, and OSError.
    """
    data, new, whole = f"{volume}/data", f"{volume}/new", f"{volume}/whole"
    if not os.path.exists(whole):
        remove_tree(new)
        if os.listdir(data) or not _copy(root, target, new):
            return
        os.rename(new, whole)
    _dress_like(whole, data)
    for name in os.listdir(whole):
        if not os.path.lexists(f"{data}/{name}"):
            os.rename(f"{whole}/{name}", f"{data}/{name}")
    remove_tree(whole)


def _copy(root: int, target: str, new: str) -> bool:
    """Make a durable copy; tell whether there was anything to copy."""
    try:
        source = open_inside(root, os.fsencode(target), os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise Fault(f"the image has a file at {target}, so no volume can be mounted there") from None
    try:
        os.mkdir(new, 0o700)
        copy = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
        try:
            writer = TreeWriter(copy, b".", links=False, owners=True)
            for found in read_tree(source, b"."):
                writer.add(found.entry, found.copy)
            writer.finish()
            if os.listdir(copy):
                sync_file_system(copy)
        finally:
            os.close(copy)
        _dress_like(f"/proc/self/fd/{source}", new)
    finally:
        os.close(source)
    return True


def _dress_like(model: str, path: str) -> None:
    files = [os.open(each, os.O_RDONLY | os.O_DIRECTORY) for each in (model, path)]
    try:
        entry = describe(files[0], b".")
        os.chown(files[1], entry.uid, entry.gid)
        dress(files[1], entry)
    finally:
        for file in files:
            os.close(file)
