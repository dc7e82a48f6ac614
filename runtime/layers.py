"""Layers on this host, and how they become the root of a container.

All that knows how a layer is kept is here: as an unpacked directory, a lower one of overlayfs.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.kernel import mount
from runtime.tree import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.oci.digest import Digest


class Layers:
    """The unpacked layers below a directory, each named by its diff ID."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, diff_id: "Digest") -> Path:
        """Give the directory of a layer; it need not exist."""
        return self._folder / diff_id.hex

    def has(self, diff_id: "Digest") -> bool:
        """Tell whether a layer is there, which means whole."""
        return self.path(diff_id).is_dir()

    def publish(self, unpacked: Path, diff_id: "Digest") -> None:
        """Take over an unpacked layer, whose files are durable. If another process was faster, its copy stays."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The root directory has the mode the archive gives it, the folder above keeps others out.
        try:
            unpacked.rename(self.path(diff_id))
        except OSError:
            if not self.has(diff_id):
                raise
        sync_folder(self._folder)

    def mount(self, diff_ids: "Sequence[Digest]", container: Path) -> Path:
        """Mount the layers, lowest first, as a root whose changes are kept in ``container``; give its path.

        It is seen in this process's mount namespace. Raises OSError.
        """
        lowers = self._lowers(diff_ids)
        links = container / "lower"
        remove_tree(links)  # of its last start
        links.mkdir()
        # Short relative names: the kernel takes one page of options, and 127 digests are more.
        for number, lower in enumerate(lowers):
            (links / str(number)).symlink_to(lower)
        if not lowers:
            (links / "0").mkdir()  # of an image without layers; overlayfs insists on one
        for name in ("upper", "work", "root"):
            (container / name).mkdir(mode=0o755, exist_ok=True)
        chain = ":".join(f"lower/{number}" for number in range(max(len(lowers), 1)))
        here = Path.cwd()
        os.chdir(container)
        try:
            mount("overlay", "root", "overlay", 0, f"lowerdir={chain},upperdir=upper,workdir=work")
        finally:
            os.chdir(here)
        return container / "root"

    def _lowers(self, diff_ids: "Sequence[Digest]") -> list[Path]:
        """List directories, highest first, down to one that hides all below it."""
        lowers = []
        for diff_id in reversed(diff_ids):
            path = self.path(diff_id)
            lowers.append(path)
            # overlayfs heeds the mark on every directory but a layer's root.
            if "trusted.overlay.opaque" in os.listxattr(path):
                break
        return lowers


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
