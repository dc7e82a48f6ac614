"""An image of this host in the shape of a repository, for ``storage.copy`` to read from."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runtime.errors import Fault
from runtime.images import Image, Images

if TYPE_CHECKING:
    from storage.oci.digest import Digest
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Name, Tag

_PIECE: Final = 1024 * 1024


class StoredBlob:
    """A configuration or layer on this host, as it was pulled."""

    def __init__(self, digest: "Digest", path: Path) -> None:
        self.digest = digest
        self.path = path
        self.size = path.stat().st_size

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Read bytes ``start`` up to, not including, ``stop``."""
        end = self.size if stop is None else min(stop, self.size)
        with self.path.open("rb") as file:
            file.seek(start)
            while start < end and (piece := file.read(min(_PIECE, end - start))):
                start += len(piece)
                yield piece


class StoredBlobs:
    """What an image of this host refers to."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def get(self, digest: "Digest", /) -> StoredBlob:
        """Find a blob. Raises Fault if it is missing, for then the store is damaged."""
        try:
            return StoredBlob(digest, Path(self._images.content(digest)))
        except FileNotFoundError as error:
            raise Fault(f"{digest} is missing on this host: pull the image again") from error


class StoredManifests:
    """The one manifest of an image of this host."""

    def __init__(self, image: Image) -> None:
        self._image = image

    async def get(self, _: "Tag | Digest", /) -> "Manifest":
        """Give it, whatever the reference: an image of this host has one platform."""
        return self._image.manifest


class StoredImage:
    """An image of this host as a repository that holds it alone."""

    def __init__(self, images: Images, image: Image, name: "Name") -> None:
        self.name = name
        self.blobs = StoredBlobs(images)
        self.manifests = StoredManifests(image)
