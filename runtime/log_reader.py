"""Reading what a container has printed, and what it prints meanwhile."""

from __future__ import annotations

import os
import select

from runtime.attach import visit
from runtime.lean import suppress
from runtime.leftovers import look
from runtime.log import files, parse, whole_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from runtime.container import Container
    from runtime.containers import Containers
    from runtime.log import Entry

#: Milliseconds after which a container without a supervisor is looked at again.
_AGAIN = 100


def read_log(
    containers: Containers, container: Container, last: int | None, since: bytes, *, follow: bool
) -> Iterator[Entry]:
    """Give what is kept of a log from a time on, or the last of it, and with ``follow`` what comes until the end."""
    path = f"{container.directory}/output.log"
    watching = _watch(container) if follow else None
    opened = _open(path)
    try:
        entries: Iterable[Entry] = (entry for file in opened for entry in _entries(file) if entry.time >= since)
        yield from entries if last is None else _last(entries, last)
        if watching is not None:
            newest = opened.pop() if opened else None
            yield from _follow(containers, container, path, newest, watching)
    finally:
        for file in opened:
            file.close()
        if watching is not None:
            os.close(watching)


def _watch(container: Container) -> int:
    from runtime.kernel import watch_folder  # noqa: PLC0415 - loads a C library

    return watch_folder(container.directory)


def _last(entries: Iterable[Entry], count: int) -> Iterable[Entry]:
    from collections import deque  # noqa: PLC0415 - slow, and only for those who want not all

    return deque(entries, maxlen=count)


def _follow(
    containers: Containers, container: Container, path: str, file: BinaryIO | None, watching: int
) -> Iterator[Entry]:
    alive = True
    while True:
        # Asked for before the last look at the file, so that nothing is printed between the two.
        if file is None or not _is_at(path, file):
            with suppress(FileNotFoundError):
                if file is not None:
                    yield from _entries(file)
                    file.close()
                file = open(path, "rb")  # noqa: SIM115 - it is read for as long as the container prints
        if file is not None:
            yield from _entries(file)
        if not alive:
            return
        alive = _wait(containers, container, watching)


def _wait(containers: Containers, container: Container, watching: int) -> bool:
    """Wait until something changes; False if the container has ended."""
    try:
        if not look(containers, container).alive:
            return False
    except FileNotFoundError:
        return False
    session = visit(container)
    poll = select.poll()
    poll.register(watching, select.POLLIN)
    if session is not None:
        # Its end is the supervisor's end, by whatever cause.
        poll.register(session.connection, select.POLLIN)
    # Without one it has just ended, or whoever puts the container away is about to write that down.
    poll.poll(None if session is not None else _AGAIN)
    with suppress(BlockingIOError):
        os.read(watching, 65536)
    if session is not None:
        session.connection.close()
    return True


def _open(path: str) -> list[BinaryIO]:
    """Open the files of a log, oldest first; the newest first of all, for they may be renamed meanwhile."""
    opened: list[BinaryIO] = []
    for name in reversed(files(path)):
        with suppress(FileNotFoundError):
            file = open(name, "rb")  # noqa: SIM115 - the caller closes them
            if any(os.path.sameopenfile(file.fileno(), other.fileno()) for other in opened):
                file.close()
            else:
                opened.append(file)
    return opened[::-1]


def _is_at(path: str, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return True


def _entries(file: BinaryIO) -> Iterator[Entry]:
    return (entry for line in whole_lines(file) if (entry := parse(line)) is not None)
