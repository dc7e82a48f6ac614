"""Who is responsible for a directory: a lock (flock(2)) on the directory itself.

The kernel lets go of it with the process that holds it, however that ends. The directories are for their owner alone
(0700), for whoever can open one can hold its lock. A wait for another command that takes long is told of on stderr.
"""

from __future__ import annotations

import fcntl
import os
import sys

from runtime.lean import contextmanager, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

#: After so many seconds a wait is told of. Few locks are held for longer, and these as long as there is work.
_PATIENCE: Final = 10.0


def make_private(directory: str) -> None:
    """Make a directory for its owner alone, and those above it that are missing, whatever umask the caller has."""
    before = os.umask(0o077)
    try:
        os.makedirs(directory, exist_ok=True)
    finally:
        os.umask(before)


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
        if wait or shared:
            _wait(held, kind, directory)
        else:
            fcntl.flock(held, kind | fcntl.LOCK_NB)
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
        _wait(held, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, directory)
        yield
    finally:
        os.close(held)


def _wait(held: int, kind: int, directory: str | os.PathLike[str]) -> None:
    """Wait for a lock, and say so if it takes long; the kernel wakes us at once when it is ours."""
    try:
        fcntl.flock(held, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        return

    def tell(*_: object) -> None:
        sys.stderr.write(f"preg: waiting for {_holders(held)}, which has locked {os.fspath(directory)}\n")

    try:
        before = signal.signal(signal.SIGALRM, tell)
    except ValueError:  # a thread gets no signals, so it waits in silence
        fcntl.flock(held, kind)
        return
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
    try:
        fcntl.flock(held, kind)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _holders(held: int) -> str:
    """Name the processes that have locked an open directory, as far as the kernel shows them."""
    inode = f":{os.fstat(held).st_ino}"
    with open("/proc/locks", encoding="ascii") as file:
        rows = [line.split() for line in file]
    # NUMBER: FLOCK ADVISORY WRITE PROCESS DEVICE:INODE 0 EOF; who waits has an arrow behind the number.
    found = [row[4] for row in rows if row[1] == "FLOCK" and row[5].endswith(inode)]
    return f"process {', '.join(found)}" if found else "another process"
