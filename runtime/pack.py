"""Compress the layers of an image that came without compression, as those in archives of docker do.

It stays the same image, for its ID is the digest of its configuration; what a registry knows it by is new. The packed
layers take the place of the plain ones, so this is done once.
"""

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from runtime.errors import Fault
from runtime.images import Image, Images
from runtime.workspace import open_workspace
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.document import Descriptor
from storage.oci.manifest import Manifest, write_manifest

_PIECE: Final = 1024 * 1024
#: zlib's, and Docker's.
_LEVEL: Final = 6


def pack(images: Images, image: Image) -> Image:
    """Give the image with every layer compressed; it is kept so, too. Raises Fault or OSError."""
    layers, config = image.manifest.layers, image.manifest.config
    if config is None or not any(layer.media_type == media.OCI_LAYER for layer in layers):
        return image
    with open_workspace(images) as workspace:
        workspace.pin([image.id, *(layer.digest for layer in layers), *image.config.rootfs.diff_ids])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            packed = list(pool.map(lambda layer: _pack(images, layer, workspace.path), layers))
        manifest = Manifest.parse(write_manifest(config, packed))
        workspace.pin([image.id, manifest.digest, *(layer.digest for layer in packed)])
        for layer in packed:
            file = workspace.path / layer.digest.hex
            if file.exists():
                workspace.add(file, layer.digest)
        workspace.add_bytes(manifest.raw, manifest.digest)
        record = workspace.replace(image.record, manifest)
    return images.open(record)


def _pack(images: Images, layer: Descriptor, folder: Path) -> Descriptor:
    if layer.media_type != media.OCI_LAYER:
        return layer
    plain = images.content(layer.digest)
    half = folder / f"{layer.digest.hex}.gz"
    try:
        with open(plain, "rb") as source, half.open("wb") as target:
            packer = zlib.compressobj(_LEVEL, wbits=31)
            while piece := source.read(_PIECE):
                target.write(packer.compress(piece))
            target.write(packer.flush())
    except FileNotFoundError as error:
        raise Fault(f"{layer.digest} is missing on this host: load the image again") from error
    with half.open("rb") as file:
        digest = Digest.of_pieces(iter(lambda: file.read(_PIECE), b""))
    size = half.stat().st_size
    half.rename(folder / digest.hex)
    return Descriptor(media_type=media.OCI_LAYER_GZIP, digest=digest, size=size)
