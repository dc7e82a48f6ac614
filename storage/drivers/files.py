"""What it takes to keep a file durably: the few steps that a folder driver is made of."""

import os
import stat
from collections.abc import Iterable

from storage.driver import ObjectInfo
from storage.errors import NotFound


def describe(key: str, status: os.stat_result) -> ObjectInfo:
    """Describe the object whose file has this status. Raises NotFound for a folder."""
    if stat.S_ISDIR(status.st_mode):
        raise NotFound("no such object")
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return ObjectInfo(key, status.st_size, status.st_mtime, etag)


def write_all(descriptor: int, pieces: Iterable[bytes], position: int) -> None:
    """Write pieces one behind the other from a position of the file on."""
    for piece in pieces:
        view = memoryview(piece)
        while view:
            count = os.pwrite(descriptor, view, position)
            view, position = view[count:], position + count


def make_folder(folder: str, mode: int) -> None:
    """Make a folder and its parents, each durably."""
    try:
        os.mkdir(folder, mode)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folder(os.path.dirname(folder), mode)
        make_folder(folder, mode)
        return
    sync_folder(os.path.dirname(folder))


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable. One that is gone again was pruned: nothing is left in it to keep."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
