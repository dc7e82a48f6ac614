"""The root of a container, as an open directory: of one that runs as it sees it, of another mounted for the purpose."""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from runtime.bundle import Wishes
from runtime.images import Images
from runtime.kernel import (
    MNT_DETACH,
    MS_BIND,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    UMASK,
    join_mounts,
    mount,
    open_inside,
    opened_mounts,
    unmount,
    unshare_mounts,
)
from runtime.leftovers import look
from runtime.mount_points import open_mount_point
from runtime.provision import prepare
from runtime.record import read
from runtime.rootless import enter
from runtime.workspace import open_workspace
from storage.oci.digest import Digest

if TYPE_CHECKING:
    from runtime.container import Container
    from runtime.containers import Containers
    from runtime.mounts import Mount

_ROOT: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def opened_root(containers: "Containers", container: "Container") -> Iterator[int]:
    """Open the root of a container with its volumes. Raises Fault and OSError.

    One that does not run cannot be started or removed meanwhile.
    """
    while True:
        state = look(containers, container)
        enter(state.pid)
        if state.alive:
            root = _root_of_process(state.pid)
            if root is not None and container.state().pid == state.pid:
                with _umask_of_containers():
                    try:
                        yield root
                    finally:
                        os.close(root)
                return
        held = container.lock()
        if held is not None:
            break
        time.sleep(0.02)  # it is just starting or ending, or somebody else copies
    try:
        with mounted(container) as root:
            yield root
    finally:
        os.close(held)


@contextmanager
def opened_image(container: "Container") -> Iterator[int]:
    """Open what a container's image has, without any change of its own. Raises Fault and OSError."""
    images = Images(container.home)
    layers = _layers(images, container)
    images.layers.ready(layers)
    with open_workspace(images) as workspace, _own_mounts():
        path = images.layers.mount(layers, str(workspace.path), passing=True)
        root = os.open(path, _ROOT)
        try:
            yield root
        finally:
            os.close(root)
            unmount(path, MNT_DETACH)


def _root_of_process(pid: int) -> int | None:
    """Open the root of a container's process; None if it has ended, even if another has its number now."""
    try:
        root = os.open(f"/proc/{pid}/root", _ROOT)
        if os.stat(f"/proc/{pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino:
            return root
        os.close(root)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return None


@contextmanager
def mounted(container: "Container") -> Iterator[int]:
    """Mount the root of a container that we hold the lock of, with its volumes, and open it. Raises Fault, OSError."""
    images = Images(container.home)
    layers = _layers(images, container)
    images.layers.ready(layers)
    with _own_mounts():
        path = images.layers.mount(layers, container.directory)
        root = os.open(path, _ROOT)
        try:
            wishes = prepare(container, read(Wishes, container.describe().wishes), root)
            for each in sorted(wishes.mounts, key=lambda mount: mount.target.count("/")):
                if each.kind == "bind":
                    _attach(root, each)
            if wishes.read_only:
                mount("none", path, "", MS_REMOUNT | MS_BIND | MS_RDONLY)
            yield root
        finally:
            os.close(root)
            unmount(path, MNT_DETACH)


@contextmanager
def _own_mounts() -> Iterator[None]:
    with opened_mounts() as ours:
        try:
            unshare_mounts()
            with _umask_of_containers():
                yield
        finally:
            join_mounts(*ours)


@contextmanager
def _umask_of_containers() -> Iterator[None]:
    """Make what is missing in a root as a container would, whatever umask the caller has."""
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def _attach(root: int, wanted: "Mount") -> None:
    """Mount a path of this host at its target, as the root has it; what is missing there is made."""
    source = os.open(wanted.source, os.O_PATH)
    try:
        target = open_mount_point(root, wanted.target, directory=stat.S_ISDIR(os.fstat(source).st_mode))
        mount(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}", "", MS_BIND | MS_REC)
        os.close(target)
    finally:
        os.close(source)
    if not wanted.writable:
        mounted = open_inside(root, os.fsencode(wanted.target), os.O_PATH)
        mount("none", f"/proc/self/fd/{mounted}", "", MS_REMOUNT | MS_BIND | MS_RDONLY)
        os.close(mounted)


def _layers(images: Images, container: "Container") -> "Sequence[Digest]":
    description = container.describe()
    return images.config(Digest(description.image_id), description.image).rootfs.diff_ids
