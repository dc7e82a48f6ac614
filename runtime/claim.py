"""Directories that belong to one running process, and are swept away when it ends without cleaning up."""

from __future__ import annotations

import os

from runtime.lean import contextmanager, suppress
from runtime.lock import lock, make_private
from runtime.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def claim(parent: Path) -> Iterator[Path]:
    """Make a directory of this process's own below ``parent``; the claim ends with the context, the directory stays."""
    while True:
        path = parent / os.urandom(6).hex()
        make_private(str(path))
        held = lock(path)
        if held is not None:
            break
    try:
        yield path
    finally:
        os.close(held)


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Claim a directory for what is half done, and remove it afterwards, as what others have left of theirs."""
    sweep(parent, remove_tree)
    with claim(parent) as path:
        try:
            yield path
        finally:
            remove_tree(path)


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
