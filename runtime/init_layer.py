"""The layer above those of every image: the directories and files on which each container has something mounted.

Docker has such a layer too. Without it a link that an image has in the place of ``/dev`` would lead an OCI runtime,
which makes and removes files there before the container's root is its own, into a directory of the host.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Final

_DIRECTORIES: Final = ("dev", "proc", "sys", "etc")
_FILES: Final = {".dockerenv": 0o755, "etc/hosts": 0o644, "etc/hostname": 0o644, "etc/resolv.conf": 0o644}
_LINKS: Final = {"etc/mtab": "/proc/mounts"}


def find_init_layer(home: str) -> str:
    """Return the directory of the layer, which is made once for all containers of a home. Raises OSError."""
    path = f"{home}/init-layer"
    if not os.path.isdir(path):
        from pathlib import Path  # noqa: PLC0415 - once in a home

        from runtime.claim import scratch  # noqa: PLC0415

        with scratch(Path(home, "new")) as workspace:
            made = workspace / "init-layer"
            _make(made)
            try:
                made.rename(path)
            except OSError:
                if not os.path.isdir(path):  # no other process was faster
                    raise
    return path


def _make(made: Path) -> None:
    for name in ("", *_DIRECTORIES):
        (made / name).mkdir()
        (made / name).chmod(0o755)
    for name, mode in _FILES.items():
        (made / name).touch()
        (made / name).chmod(mode)
    for name, target in _LINKS.items():
        (made / name).symlink_to(target)
