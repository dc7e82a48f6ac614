"""The layer above those of every image: the directories and files on which each container has something mounted.

Docker has such a layer too. Without it a link that an image has in the place of ``/dev`` would lead an OCI runtime,
which makes and removes files there before the container's root is its own, into a directory of the host.
"""

from __future__ import annotations

import os
import stat

from runtime.errors import Fault
from runtime.kernel import open_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Final

_DIRECTORIES: Final = ("dev", "proc", "sys", "etc")
_FILES: Final = {".dockerenv": 0o755, "etc/hosts": 0o644, "etc/hostname": 0o644, "etc/resolv.conf": 0o644}
#: Where OCI runtimes look, and what has to be there.
_PLACES: Final = {"dev": os.O_DIRECTORY, "proc": os.O_DIRECTORY, "sys": os.O_DIRECTORY, "etc/passwd": 0, "etc/group": 0}
_LINKS: Final = {"etc/mtab": "/proc/mounts"}


def make_init_layer(home: str, path: str) -> None:
    """Make the directory of the layer, once for all containers of a home. Raises OSError."""
    from pathlib import Path  # noqa: PLC0415 - not for supervisors

    from runtime.claim import scratch  # noqa: PLC0415

    with scratch(Path(home, "new")) as workspace:
        made = workspace / "init-layer"
        _make(made)
        try:
            made.rename(path)
        except OSError:
            if not os.path.isdir(path):  # no other process was faster
                raise


def check_root(path: str) -> None:
    """Refuse a root in which something else is where OCI runtimes look for directories and files. Raises Fault.

    A container with CAP_SYS_ADMIN may have put it there. They would go where it leads, or wait for a pipe for ever.
    """
    root = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        for name, kind in _PLACES.items():
            _check_place(root, name, kind)
    finally:
        os.close(root)


def _check_place(root: int, name: str, kind: int) -> None:
    """Check a directory, which must not be a link either, or a file, which need not be there. Raises Fault."""
    try:
        found = open_inside(root, name.encode(), os.O_PATH | kind, links=not kind)
    except OSError as error:
        if kind:
            raise Fault(f"/{name} is not a directory in the container, so it cannot be started") from error
        return
    regular = stat.S_ISREG(os.fstat(found).st_mode)
    os.close(found)
    if not (kind or regular):
        raise Fault(f"/{name} is not a regular file in the container, so it cannot be started")


def _make(made: Path) -> None:
    for name in ("", *_DIRECTORIES):
        (made / name).mkdir()
        (made / name).chmod(0o755)
    for name, mode in _FILES.items():
        (made / name).touch()
        (made / name).chmod(mode)
    for name, target in _LINKS.items():
        (made / name).symlink_to(target)
