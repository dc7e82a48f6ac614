"""Filling a new volume with what the image has where it is mounted."""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.kernel import is_mount_point, open_inside, sync_file_system
from runtime.lean import suppress
from runtime.removal import remove_tree
from runtime.tree_reader import describe, read_tree
from runtime.tree_writer import TreeWriter, dress
from runtime.volumes import NEW, WHOLE


def fill(volume: str, root: int, target: str) -> None:
    """Copy what an open root has at a path into an empty volume, which we hold the lock of.

    The copy is made beside, and moved in when it is whole; a later call goes on with that if we are killed. Raises
    Fault if the path is no directory, and OSError.
    """
    data, new, whole = f"{volume}/data", f"{volume}/{NEW}", f"{volume}/{WHOLE}"
    if is_mount_point(data):
        _fill_mounted(data, root, target)
        return
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


def _fill_mounted(data: str, root: int, target: str) -> None:
    """Copy into another file system at once, to which nothing can be moved."""
    if os.listdir(data):
        return
    with suppress(FileNotFoundError):
        source = _open_folder(root, target)
        copy = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _copy_tree(source, copy)
        finally:
            os.close(copy)
            os.close(source)


def _copy(root: int, target: str, new: str) -> bool:
    """Make a durable copy; tell whether there was anything to copy."""
    try:
        source = _open_folder(root, target)
    except FileNotFoundError:
        return False
    try:
        os.mkdir(new, 0o700)
        copy = os.open(new, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _copy_tree(source, copy)
            if os.listdir(copy):
                sync_file_system(copy)
        finally:
            os.close(copy)
        _dress_like(f"/proc/self/fd/{source}", new)
    finally:
        os.close(source)
    return True


def _open_folder(root: int, target: str) -> int:
    try:
        return open_inside(root, os.fsencode(target), os.O_RDONLY | os.O_DIRECTORY)
    except NotADirectoryError:
        raise Fault(f"the image has a file at {target}, so no volume can be mounted there") from None


def _copy_tree(source: int, copy: int) -> None:
    writer = TreeWriter(copy, b".", links=False, owners=True)
    for found in read_tree(source, b"."):
        writer.add(found.entry, found.copy)
    writer.finish()


def _dress_like(model: str, path: str) -> None:
    files = [os.open(each, os.O_RDONLY | os.O_DIRECTORY) for each in (model, path)]
    try:
        entry = describe(files[0], b".")
        os.chown(files[1], entry.uid, entry.gid)
        dress(files[1], entry)
    finally:
        for file in files:
            os.close(file)
