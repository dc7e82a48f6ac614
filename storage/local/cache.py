"""Manifests in memory: addressed by digest they never change, so they never go stale."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.oci.digest import Digest
    from storage.oci.manifest import Manifest

_BYTES: Final = 64 * 1024 * 1024


class ManifestCache:
    """The manifests used last, up to 64 MiB of raw bytes. Whether a repository holds one is never cached."""

    def __init__(self) -> None:
        self._manifests: OrderedDict[Digest, Manifest] = OrderedDict()
        self._size = 0

    def get(self, digest: "Digest") -> "Manifest | None":
        """Find a manifest."""
        manifest = self._manifests.get(digest)
        if manifest is not None:
            self._manifests.move_to_end(digest)
        return manifest

    def add(self, manifest: "Manifest") -> None:
        """Keep a manifest, and drop those that were not used for longest."""
        if manifest.digest not in self._manifests:
            self._manifests[manifest.digest] = manifest
            self._size += len(manifest.raw)
        while self._size > _BYTES:
            _, dropped = self._manifests.popitem(last=False)
            self._size -= len(dropped.raw)
