"""The small first process of ``--init``: it passes signals on, and reaps what others leave behind."""

from __future__ import annotations

import os

from runtime.errors import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: They do the same by the same arguments. Linked statically, for the image need not have a C library.
_KNOWN: Final = ("docker-init", "catatonit", "tini-static")
_FOLDERS: Final = (
    *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
    *("/usr/libexec/docker", "/usr/libexec/podman"),
)


def find_init() -> str:
    """Find one on this host. Raises Fault if there is none."""
    for name in _KNOWN:
        for folder in _FOLDERS:
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
    raise Fault(
        f"--init needs {', '.join(_KNOWN[:-1])} or {_KNOWN[-1]} on this host, and none is there: apt install tini"
    )
