"""Layers on this host, and how they become the root of a container.

All that knows how a layer is kept is here. Each has a directory, in which ``root`` is a lower one of overlayfs: either
the unpacked layer itself, or where its archive is mounted by means of an index (see ``runtime.erofs``).

An archive is mounted once for all containers and stays so, as long as the layer is there or until a reboot. Mounts of
each container's own would leave nothing to remove, but the kernel caches files by mount: fifty containers of one image
would hold its libraries fifty times in memory, and every start would fill that cache anew.
"""

from __future__ import annotations

import errno
import os

from runtime.errors import Fault
from runtime.kernel import MS_NODEV, MS_NOSUID, MS_RDONLY, mount, unmount
from runtime.lean import suppress
from runtime.lock import lock, make_private
from runtime.removal import remove_tree
from runtime.rootless import privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike
    from pathlib import Path
    from typing import Final

    from storage.oci.digest import Digest

#: What lies in the directory of a layer; the last two only if it is not unpacked.
ROOT: Final = "root"
SIZE: Final = "size"
ARCHIVE: Final = "layer.tar"
INDEX: Final = "layer.erofs"


class Layers:
    """The layers below a directory, each named by its diff ID, and the containers that are made of them."""

    def __init__(self, folder: str, containers: str) -> None:
        self._folder = folder
        self._containers = containers

    def path(self, diff_id: Digest) -> str:
        """Give the directory of a layer; it need not exist."""
        return f"{self._folder}/{diff_id.hex}"

    def has(self, diff_id: Digest) -> bool:
        """Tell whether a layer is there, which means whole."""
        return os.path.isdir(self.path(diff_id))

    def names(self) -> Iterator[str]:
        """Give the digits of every layer's diff ID."""
        with suppress(FileNotFoundError):
            yield from sorted(os.listdir(self._folder))

    def size(self, diff_id: Digest) -> int:
        """Add up the sizes of a layer's files, in bytes; 0 if it is not there."""
        return self.size_of(diff_id.hex)

    def size_of(self, name: str) -> int:
        """Do as ``size`` does for the layer whose diff ID has these digits."""
        path = f"{self._folder}/{name}/{SIZE}"
        with suppress(FileNotFoundError, ValueError), open(path, encoding="utf-8") as file:
            return int(file.read())  # a power cut may leave it empty
        return 0

    def publish(self, made: Path, diff_id: Digest) -> None:
        """Take over the directory of a layer, all of it durable. If another process was faster, its copy stays."""
        make_private(self._folder)
        try:
            made.rename(self.path(diff_id))
        except OSError:
            if not self.has(diff_id):
                raise
        sync_file(self._folder)

    def remove(self, diff_id: Digest, workspace: Path) -> bool:
        """Remove a layer, and tell whether it is gone: one that a container was started with stays.

        It vanishes at once by a rename to ``workspace``, and its files go with that.
        """
        path = self.path(diff_id)
        held = lock(path, wait=True)
        if held is None:
            return True
        try:
            if self._has_users(path):
                return False
            try:
                _unmount(f"{path}/{ROOT}")
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False
            os.rename(path, workspace / f"{diff_id.hex}.gone")
        finally:
            os.close(held)
        return True

    def _has_users(self, path: str) -> bool:
        """Tell whether a container has a layer among its lower ones; none is being mounted while we hold the lock."""
        with suppress(FileNotFoundError):
            for container in os.listdir(self._containers):
                lower = f"{self._containers}/{container}/lower"
                with suppress(FileNotFoundError):
                    if any(os.path.dirname(os.readlink(f"{lower}/{link}")) == path for link in os.listdir(lower)):
                        return True
        return False

    def ready(self, diff_ids: Sequence[Digest]) -> None:
        """Mount what is not mounted yet, in this process's mount namespace. Raises Fault."""
        for held in self._hold(diff_ids):
            os.close(held)

    def mount(self, diff_ids: Sequence[Digest], container: str, *, passing: bool = False) -> str:
        """Mount the layers, lowest first, as a root whose changes are kept in ``container``; give its path.

        It is seen in this process's mount namespace. Layers that were not made ready before are mounted for this
        namespace alone. If the changes are ``passing``, nobody waits until they are on a disk: else what unmounts the
        root last waits for all that anybody has written to that file system. Raises Fault or OSError.
        """
        held = self._hold(diff_ids)
        try:
            return self._mount(self._lowers(diff_ids), container, passing=passing)
        finally:
            for file in held:
                os.close(file)

    def mount_read_only(self, diff_ids: Sequence[Digest], place: str) -> None:
        """Mount the layers alone at a directory, for nobody to change; what it takes is made beside it.

        Raises Fault or OSError.
        """
        held = self._hold(diff_ids)
        try:
            links = f"{place}.lower"
            os.mkdir(links)
            # Without an upper directory overlayfs wants two, so the lowest is empty.
            os.mkdir(f"{links}/empty")
            lowers = self._lowers(diff_ids)[1:]
            for number, lower in enumerate(lowers):
                os.symlink(lower, f"{links}/{number}")
            chain = ":".join((*map(str, range(len(lowers))), "empty"))
            _mount_overlay(links, f"lowerdir={chain}", place, passing=False)
        finally:
            for file in held:
                os.close(file)

    def _hold(self, diff_ids: Sequence[Digest]) -> list[int]:
        """Keep layers from being removed, for as long as the files that are given stay open, and mount them."""
        held: list[int] = []
        try:
            for diff_id in diff_ids:
                file = lock(self.path(diff_id), shared=True)
                if file is None:
                    raise Fault(f"the layer {diff_id} is missing on this host: pull the image again")
                held.append(file)
                _mount_archive(self.path(diff_id))
        except BaseException:
            for file in held:
                os.close(file)
            raise
        return held

    @staticmethod
    def _mount(lowers: list[str], container: str, *, passing: bool) -> str:
        links = f"{container}/lower"
        try:
            os.mkdir(links)
        except FileExistsError:  # of its last start
            remove_tree(links)
            os.mkdir(links)
            # It says that the changes were passing, and keeps others from being added.
            remove_tree(f"{container}/work/work/incompat")
        # Short relative names: the kernel takes one page of options, and 127 digests are more.
        for number, lower in enumerate(lowers):
            os.symlink(lower, f"{links}/{number}")
        for name in ("upper", "work", "root"):
            with suppress(FileExistsError):
                os.mkdir(f"{container}/{name}", 0o755)
        chain = ":".join(f"lower/{number}" for number in range(len(lowers)))
        _mount_overlay(container, f"lowerdir={chain},upperdir=upper,workdir=work", "root", passing=passing)
        return f"{container}/root"

    def _init_layer(self) -> str:
        home = os.path.dirname(self._folder)
        path = f"{home}/init-layer"
        if not os.path.isdir(path):
            from runtime.init_layer import make_init_layer  # noqa: PLC0415 - once in a home

            make_init_layer(home, path)
        return path

    def _lowers(self, diff_ids: Sequence[Digest]) -> list[str]:
        """List directories, highest first, down to one that hides all below it."""
        lowers = [self._init_layer()]
        for diff_id in reversed(diff_ids):
            root = f"{self.path(diff_id)}/{ROOT}"
            if root in lowers:
                continue  # overlayfs refuses one directory twice, and the upper one hides all that the lower one has
            lowers.append(root)
            # overlayfs heeds the mark on every directory but a layer's root.
            if privileges().opaque in os.listxattr(root):
                break
        return lowers


def _mount_overlay(folder: str, options: str, place: str, *, passing: bool) -> None:
    """Mount an overlay whose options have paths in a folder. Raises Fault."""
    if not privileges().of_host:
        options += ",userxattr"  # overlayfs keeps its marks in attributes that any owner may set
    # By an open file: it may have been removed, and has no name then, or be one that su has left us in.
    here = os.open("/proc/self/cwd", os.O_PATH | os.O_DIRECTORY)
    os.chdir(folder)
    try:
        _try_overlay(options, place, passing=passing)
    except OSError as error:
        where = os.path.join(folder, place)
        raise Fault(
            f"{where} cannot be mounted: {error.strerror}; 'preg system check' tells what this host lacks"
        ) from error
    finally:
        os.chdir("/")
        with suppress(PermissionError):
            os.fchdir(here)
        os.close(here)


def _try_overlay(options: str, place: str, *, passing: bool) -> None:
    if passing:
        try:
            mount("overlay", place, "overlay", 0, f"{options},volatile")
        except OSError as error:
            if error.errno != errno.EINVAL:  # of Linux before 5.10
                raise
        else:
            return
    mount("overlay", place, "overlay", 0, options)


def _mount_archive(path: str) -> None:
    """Mount a layer that is kept as an archive, unless it is mounted or unpacked."""
    root = f"{path}/{ROOT}"
    if _is_mounted(root) or not os.path.exists(f"{path}/{INDEX}"):
        return
    # Two at once: the slower one finds it mounted.
    held = lock(root, wait=True)
    if held is None:
        return
    try:
        if not _is_mounted(root):
            mount_archive(f"{path}/{INDEX}", f"{path}/{ARCHIVE}", root)
    finally:
        os.close(held)


def mount_archive(index: str | PathLike[str], archive: str | PathLike[str], root: str | PathLike[str]) -> None:
    """Mount an archive by its index (EROFS with an external device), from plain files. Raises OSError.

    Nothing of it can be executed, or be a device, but through the overlays above it.
    """
    # The kernel reads metadata itself and then warns of ext4 (6.18, ext4_check_map_extents_env); not from its cache.
    with open(index, "rb") as file:
        file.read()
    device = os.open(archive, os.O_RDONLY)
    try:
        flags = MS_RDONLY | MS_NODEV | MS_NOSUID
        # A path of its own could hold a comma, which ends an option.
        mount(str(index), str(root), "erofs", flags, f"device=/proc/self/fd/{device}")
    finally:
        os.close(device)


def _unmount(root: str) -> None:
    while _is_mounted(root):
        unmount(root)


def _is_mounted(root: str) -> bool:
    return os.stat(root).st_dev != os.stat(os.path.dirname(root)).st_dev


def sync_file(path: str | PathLike[str]) -> None:
    """Make a file durable, or the names in a folder."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
