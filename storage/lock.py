"""Locks between processes (flock(2)), on files of their own: whoever can open a file can hold its lock for ever."""

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRIVATE: Final = 0o600
#: For how many seconds a lock is waited for, and how long at most between two looks.
_LIMIT: Final = 10.0
_PAUSE: Final = 0.02


@contextmanager
def locked(path: str, kind: int = fcntl.LOCK_EX) -> "Iterator[None]":
    """Hold the lock of a file that is there for nothing else, and is made if it is not there.

    Raises TimeoutError if others hold it for ten seconds.
    """
    descriptor = _open(path, kind)
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: str) -> "Iterator[None]":
    """Hold the lock of a file that is there for as long as somebody holds it. Raises TimeoutError as ``locked``."""
    descriptor = _open(path, fcntl.LOCK_EX)
    while not _is_there(descriptor, path):  # the one before us has removed it
        os.close(descriptor)
        descriptor = _open(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.unlink(path)
        os.close(descriptor)


def _open(path: str, kind: int) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        if os.geteuid() == 0:
            _give_to_owner(descriptor, os.path.dirname(path))
        _wait(descriptor, kind, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_there(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _give_to_owner(descriptor: int, folder: str) -> None:
    """Leave no file of root's to a user who has to go on with the folder."""
    owner, now = os.stat(folder), os.fstat(descriptor)
    if (owner.st_uid, owner.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _wait(descriptor: int, kind: int, path: str) -> None:
    begun = time.monotonic()
    while not _try(descriptor, kind):
        waited = time.monotonic() - begun
        if waited >= _LIMIT:
            message = f"{path} has been locked for {_LIMIT:.0f} seconds: `lslocks` names the process that holds it"
            raise TimeoutError(errno.ETIMEDOUT, message)
        # The longer it takes already, the less it matters.
        time.sleep(min(0.0001 + waited / 8, _PAUSE))


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
