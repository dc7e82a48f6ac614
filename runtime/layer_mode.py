"""How this host keeps new layers: as archives that the kernel mounts, or unpacked into directories."""

import errno
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from runtime.claim import claim
from runtime.config import DIRECTORIES, EROFS
from runtime.errors import Fault
from runtime.kernel import unshare_mounts
from runtime.layers import ARCHIVE, INDEX, ROOT, mount_archive

if TYPE_CHECKING:
    from collections.abc import Callable

_CAUSES: Final = {
    errno.ENODEV: "its kernel has no EROFS",
    errno.EPERM: "it does not let this user mount EROFS",
    errno.EINVAL: "its kernel does not know this form of EROFS, which came with Linux 6.12",
    errno.ENOTBLK: "its kernel mounts EROFS from files from Linux 6.12 on, and not from files on overlayfs or tmpfs",
}


class Mode(NamedTuple):
    """The way in which new layers are kept; those that are there stay as they are."""

    name: str
    reason: str


def find_mode(home: str | Path, wanted: str | None) -> Mode:
    """Find the way, by trying it out, unless one is wanted. Raises Fault if that one cannot be.

    There is no third way, over loop devices, where the kernel mounts no plain files: reading all of an image for the
    first time took five times as long then, and mounting thirty times, so directories are the faster choice.
    """
    if wanted == DIRECTORIES:
        return Mode(DIRECTORIES, "PREG_LAYERS asks for directories")
    obstacle = _try(home) if os.geteuid() == 0 else "mounting EROFS takes root"
    if obstacle is None:
        return Mode(EROFS, "this host mounts EROFS from files")
    if wanted == EROFS:
        raise Fault(f"PREG_LAYERS asks for EROFS, and {obstacle}")
    return Mode(DIRECTORIES, obstacle)


def _try(home: str | Path) -> str | None:
    """Mount something; the obstacle if there is one."""
    from runtime.archive import Budget  # noqa: PLC0415 - only who pulls or asks needs them
    from runtime.inodes import Inodes  # noqa: PLC0415

    with claim(Path(home, "new")) as workspace:
        archive, index, root = workspace / ARCHIVE, workspace / INDEX, workspace / ROOT
        try:
            archive.write_bytes(bytes(1024))
            with index.open("wb") as file:
                Inodes(Budget()).write(1024, bytes(16), file)
            root.mkdir()
            error = _apart(lambda: mount_archive(index, archive, root))
        finally:
            for path, remove in ((archive, os.unlink), (index, os.unlink), (root, os.rmdir), (workspace, os.rmdir)):
                if path.exists():
                    remove(path)
    return None if error is None else _explain(error)


def _explain(error: OSError) -> str:
    if error.filename == "/":
        return f"this process cannot have mounts of its own: /: {error.strerror}"
    return _CAUSES.get(error.errno or 0, f"mounting EROFS failed: {error.strerror}")


def _apart(work: "Callable[[], None]") -> OSError | None:
    """Do something in mounts of its own, which end with it, even if this process is killed meanwhile."""
    failed: list[OSError] = []

    def run() -> None:
        try:
            unshare_mounts()
            work()
        except OSError as error:
            failed.append(error)

    # A mount namespace can be a thread's.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return failed[0] if failed else None
