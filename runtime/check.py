"""Whether all that preg keeps on this host fits together, and how to mend what does not.

Whoever is killed at any moment leaves nothing worse than what is found here, and most of it the next command puts away
by itself.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime import cgroup, leftovers
from runtime.claim import sweep
from runtime.container import Container
from runtime.containers import Containers
from runtime.engine import KNOWN, end, find
from runtime.errors import Damaged, Fault
from runtime.images import Images
from runtime.kernel import MNT_DETACH, is_mount_point, unmount
from runtime.lock import lock
from runtime.network import hub
from runtime.network.endpoints import Endpoints
from runtime.network.entries import entries, networks, release
from runtime.removal import remove_tree
from runtime.rootless import inside
from runtime.volume_mounts import is_in_use
from runtime.volumes import Volumes

if TYPE_CHECKING:
    from runtime.config import Config


class Finding(NamedTuple):
    """Something that is not as it should be."""

    what: str
    repair: Callable[[], object]


def check(here: "Config") -> Iterator[Finding]:
    """Look through everything but what running commands are busy with."""
    containers = Containers(here.home, here.state)
    yield from _half_made(Path(here.home, "new"))
    yield from _containers(containers)
    yield from _names(containers)
    yield from _images(Images(here.home))
    yield from _mounts(here.home)
    yield from _volumes(containers)
    yield from _engines(containers, here)
    yield from _groups(containers)
    yield from _endpoints(here.home, here.state)
    if hub.is_cut_off(here.state):
        what = "slirp4netns, which joins containers' networks to the outside, was killed"
        yield Finding(what, partial(hub.mend, here.state))


def _half_made(folder: Path) -> Iterator[Finding]:
    for path in _sorted(folder):
        if _is_free(path):
            yield Finding(f"{path} was left half made", partial(inside, 0, partial(sweep, folder, remove_tree)))


# Containers


def _containers(containers: Containers) -> Iterator[Finding]:
    for container in containers.unfinished():
        if _is_free(container.directory):
            yield Finding(
                f"the container {container.short_id} was left half made or half removed",
                partial(leftovers.remove_unfinished, containers),
            )
    for container in containers:
        with suppress(FileNotFoundError):
            alive = container.state().alive
            try:
                container.describe()
            except Damaged as damage:
                yield Finding(str(damage), lambda: None)
                continue
            if alive and _is_free(container.directory):
                yield Finding(
                    f"the container {container.short_id} has lost its supervisor",
                    partial(_put_away, containers, container),
                )
    for container in containers.started():
        if not os.path.exists(container.directory) or _is_free(container.directory):
            yield Finding(
                f"{container.running} is left of a container that does not run", partial(leftovers.sweep, containers)
            )


def _put_away(containers: Containers, container: Container) -> None:
    with suppress(FileNotFoundError):  # it is removed when it has ended
        leftovers.look(containers, container)


def _names(containers: Containers) -> Iterator[Finding]:
    for name in containers.stray_names():
        yield Finding(f"the name {name!r} stands for a container that is gone", partial(containers.release_stray, name))


def _images(images: Images) -> list[Finding]:
    """Find images that are not whole; what nothing needs is no fault, and goes with the next removal."""
    found = []
    with images.using():
        # Each once, by a tag if it has one.
        for record in {each.manifest: each for each in (*images.records(), *reversed(images.names()))}.values():
            try:
                images.check(record)
            except Fault as fault:
                what = f"the image {record.reference or record.image} is damaged: pull it again, or remove it ({fault})"
                found.append(Finding(what, lambda: None))
    return found


# What the kernel and the engines keep


def _mounts(home: str) -> Iterator[Finding]:
    """Find mounts of containers that are seen by all the host: those of preg are seen by their containers alone."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        targets = [line.split()[4] for line in file]
    for target in reversed(targets):
        if target.startswith(f"{home}/containers/"):
            yield Finding(f"{target} is mounted, and no container needs that", partial(unmount, target, MNT_DETACH))


def _volumes(containers: Containers) -> Iterator[Finding]:
    """Find volumes that are mounted, and that no container which runs has."""
    volumes = Volumes(containers.home)
    for volume in volumes:
        if volume.options and is_mount_point(volumes.data(volume.name)) and not is_in_use(containers, volume.name):
            repair = partial(unmount, volumes.data(volume.name), MNT_DETACH)
            yield Finding(f"the volume {volume.name} is mounted, and no container needs that", repair)


def _engines(containers: Containers, here: "Config") -> Iterator[Finding]:
    for name in KNOWN:
        for path in _sorted(Path(here.state, name)):
            container = containers.get(path.name)
            if not os.path.exists(container.running) and _is_free_or_gone(container):
                yield Finding(
                    f"{name} still knows the container {container.short_id}, which does not run",
                    partial(inside, 0, partial(_let_engine_forget, path, here)),
                )


def _let_engine_forget(path: Path, here: "Config") -> None:
    with suppress(Fault):  # the engine is not installed any more
        end(find(path.parent.name, here.path, here.state), path.name)
    remove_tree(path)


def _groups(containers: Containers) -> Iterator[Finding]:
    for container in containers:
        if cgroup.groups(container.group) and _is_free(container.directory):
            yield Finding(
                f"the control groups of the container {container.short_id} are left",
                partial(_remove_groups, container.group),
            )


def _remove_groups(identifier: str) -> None:
    cgroup.kill(identifier)
    cgroup.remove(identifier)


def _endpoints(home: str, state: str) -> Iterator[Finding]:
    for network in networks(state):
        for address, identifier in sorted(entries(state, network)):
            if not os.path.exists(f"{state}/containers/{identifier}"):
                yield Finding(
                    f"the container {identifier[:12]} has the address {address} in a network, and does not run",
                    partial(release, home, state, identifier),
                )
                continue
            try:
                Endpoints(state, network).read(address, identifier)
            except Damaged as damage:
                yield Finding(str(damage), lambda: None)


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _is_free_or_gone(container: Container) -> bool:
    return not os.path.exists(container.directory) or _is_free(container.directory)


def _is_free(directory: str | Path) -> bool:
    """Tell whether nobody is responsible for a directory."""
    held = lock(directory)
    if held is None:
        return False
    os.close(held)
    return True
