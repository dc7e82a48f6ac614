"""Directories that belong to one running process, and are swept away when it ends without cleaning up."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.lock import lock


@contextmanager
def claim(parent: Path) -> Iterator[Path]:
    """Make a directory of this process's own below ``parent``; the claim ends with the context, the directory stays."""
    while True:
        path = parent / os.urandom(6).hex()
        path.mkdir(mode=0o700, parents=True)
        held = lock(path)
        if held is not None:
            break
    try:
        yield path
    finally:
        os.close(held)


def sweep(parent: Path, clean: Callable[[Path], None]) -> None:
    """Have ``clean`` deal with each directory below ``parent`` that no running process claims."""
    with suppress(FileNotFoundError):
        for path in list(parent.iterdir()):
            held = lock(path)
            if held is not None:
                try:
                    clean(path)
                finally:
                    os.close(held)
