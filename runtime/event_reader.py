"""Reading what has happened, and what happens meanwhile."""

import os
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from runtime.events import folder, parse
from runtime.kernel import watch_folder
from runtime.lock import make_private
from runtime.log import whole_lines


def read_events(home: str, *, until: int | None) -> Iterator[dict[str, Any]]:
    """Give all events that are kept, then those that happen until a time (nanoseconds since the epoch; None: ever)."""
    directory = folder(home)
    make_private(directory)
    watching = watch_folder(directory)
    file = _open(f"{directory}/log.1")
    try:
        while True:
            if file is not None:
                yield from _events(file)
            newest = _open(f"{directory}/log")
            if newest is not None and (file is None or not os.path.sameopenfile(newest.fileno(), file.fileno())):
                # Nothing is added to a file that has been replaced, so this is all of it.
                if file is not None:
                    yield from _events(file)
                    file.close()
                file = newest
                continue
            if newest is not None:
                newest.close()
            if not _wait(watching, until):
                return
    finally:
        os.close(watching)
        if file is not None:
            file.close()


def _wait(watching: int, until: int | None) -> bool:
    """Wait until something is written; False when it is time to end."""
    left = None if until is None else (until - time.time_ns()) / 1e9
    if left is not None and left <= 0:
        return False
    select.select([watching], [], [], left)
    with suppress(BlockingIOError):
        os.read(watching, 65536)
    return True


def _open(path: str) -> BinaryIO | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


def _events(file: BinaryIO) -> Iterator[dict[str, Any]]:
    return (event for line in whole_lines(file) if (event := parse(line)) is not None)
