"""What nothing needs any more: content and layers that no image, name, container or running command has noted down."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from runtime.errors import Fault
from runtime.image_config import ImageConfig
from runtime.images import Images
from runtime.workspace import Workspace, pinned
from storage.oci.digest import Digest

if TYPE_CHECKING:
    from runtime.containers import Containers


class Needed(NamedTuple):
    """What has to stay."""

    content: set[str]
    """Manifests, configurations and layers as they came, by the digits of their digests."""
    layers: set[str]
    """Layers ready for use, by the digits of their diff IDs."""
    chains: set[Digest]
    """Stacks of layers, by what Docker calls them."""


class Garbage(NamedTuple):
    """What may go."""

    content: list[Digest]
    layers: list[Digest]


def find_garbage(images: Images, needed: Needed) -> Garbage:
    """List what is here and not needed."""
    return Garbage(
        [Digest(f"sha256:{name}") for name in images.contents() if name not in needed.content],
        [Digest(f"sha256:{name}") for name in images.layers.names() if name not in needed.layers],
    )


def measure(images: Images, garbage: Garbage) -> int:
    """Add up the sizes of what may go, in bytes."""
    content = sum(os.path.getsize(images.content(digest)) for digest in garbage.content)
    return content + sum(map(images.layers.size, garbage.layers))


def discard(images: Images, garbage: Garbage, workspace: Workspace) -> None:
    """Remove what may go; called while ``images.removing``.

    The files of layers move to ``workspace``, to be removed with that, for it takes time.
    """
    for diff_id in garbage.layers:
        images.layers.remove(diff_id, workspace.path)
    for digest in garbage.content:
        os.unlink(images.content(digest))


def look_around(images: Images, containers: "Containers") -> Needed:
    """Find out what has to stay. Raises Fault if an image is damaged: what it needs is not known then."""
    needed = Needed(set(), set(), set())
    for record in (*images.records(), *images.names()):
        try:
            image = images.open(record)
        except Fault as fault:
            what = record.reference or record.image
            raise Fault(f"{what} is damaged, so nothing is cleaned up: pull it again or remove it ({fault})") from fault
        needed.content.update(digest.hex for digest in (record.manifest, record.image))
        needed.content.update(layer.digest.hex for layer in image.manifest.layers)
        _keep_layers(needed, image.config)
    for container in containers:
        try:
            description = container.describe()
        except FileNotFoundError:  # removed while we looked
            continue
        for used in map(Digest, description.images):
            # It is started with what the configuration says, and needs nothing else of the image.
            needed.content.add(used.hex)
            if images.has(used):
                _keep_layers(needed, ImageConfig.parse(images.read(used), str(used)))
    noted = {digest.hex for digest in pinned(images)}
    needed.content.update(noted)
    needed.layers.update(noted)
    return needed


def chain_ids(diff_ids: Iterable[Digest]) -> list[Digest]:
    """Name each stack of layers that begins with the lowest (image-spec, config.md, "Layer ChainID")."""
    chains: list[Digest] = []
    for diff_id in diff_ids:
        chains.append(Digest.of(f"{chains[-1]} {diff_id}".encode()) if chains else diff_id)
    return chains


def _keep_layers(needed: Needed, config: ImageConfig) -> None:
    needed.layers.update(diff_id.hex for diff_id in config.rootfs.diff_ids)
    needed.chains.update(chain_ids(config.rootfs.diff_ids))
