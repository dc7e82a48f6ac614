"""Who is responsible for a directory: a lock (flock(2)) on the directory itself.

The kernel lets go of it with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import os

from runtime.lean import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def lock(directory: str | os.PathLike[str], *, wait: bool = False, shared: bool = False) -> int | None:
    """Lock a directory: give an open file that holds the lock until it is closed, here and where it was passed on to.

    None if somebody else holds it, or has removed the directory before the lock was ours. A ``shared`` lock is waited
    for, and keeps out only those that want it for themselves.
    """
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(held, kind if wait or shared else kind | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held), os.stat(directory)):
            return held
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(held)
    return None


@contextmanager
def holding(directory: str | os.PathLike[str], *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a directory that nobody removes, after waiting for it; ``shared`` with all who ask so, too."""
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
