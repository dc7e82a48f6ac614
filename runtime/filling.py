"""Filling a new volume with what the image has where it is mounted."""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.kernel import open_inside, sync_file_system
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
