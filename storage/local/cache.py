"""Manifests in memory: addressed by digest they never change, so they never go stale."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from storage.oci.manifest import Manifest

if TYPE_CHECKING:
    from storage.oci.digest import Digest

_BYTES: Final = 64 * 1024 * 1024


class ManifestCache:
    """The manifests used last, up to 64 MiB of raw bytes. Whether a repository holds one is never cached."""

    def __init__(self) -> None:
        self._manifests: OrderedDict[Digest, tuple[bytes, str]] = OrderedDict()
        self._size = 0

    def get(self, digest: "Digest") -> "Manifest | None":
        """Find a manifest. What it says is not kept: it may take many times what its bytes take."""
        found = self._manifests.get(digest)
        if found is None:
            return None
        self._manifests.move_to_end(digest)
        return Manifest(*found, digest)

    def add(self, manifest: "Manifest") -> None:
        """Keep a manifest, and drop those that were not used for longest."""
        if manifest.digest not in self._manifests:
            self._manifests[manifest.digest] = manifest.raw, manifest.media_type
            self._size += len(manifest.raw)
        while self._size > _BYTES:
            _, dropped = self._manifests.popitem(last=False)
            self._size -= len(dropped[0])
