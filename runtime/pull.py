"""Fetch an image: find the one that is meant, check what it says of itself, and have its layers fetched."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from runtime.errors import Fault
from runtime.fetch import Fetching
from runtime.image_config import CONFIG_LIMIT, ImageConfig
from runtime.images import Images
from runtime.platforms import Platform, check, of_image, this_host, this_machine
from runtime.workspace import open_workspace
from storage.copy import Progress
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.errors import DigestInvalid, ManifestInvalid

if TYPE_CHECKING:
    from storage.copy import Source
    from storage.oci.document import Descriptor
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Reference

_LAYERS_LIMIT: Final = 127
"""As many as overlayfs stacks under Docker's options."""

Report = Callable[[Progress], None]


async def pull(
    images: Images, source: "Source", reference: "Reference", report: Report, wanted: Platform | None = None
) -> "Manifest":
    """Fetch what is not here of an image, check every byte, and let the reference stand for it.

    Raises:
        RegistryError: as the registry says. Fault: it is damaged, no image, or not for the platform that is wanted,
        which without a wish is this machine's.

    """
    try:
        named = await source.manifests.get(reference.target)
        manifest = await choose(source, named, wanted, str(reference))
    except ManifestInvalid as error:
        raise Fault(f"what the registry sent for {reference} is no manifest: {error}") from error

    def fits(image: Platform) -> None:
        if not named.is_index:
            check(image, wanted, str(reference))

    names = [reference._replace(tag=None, digest=named.digest), reference]
    await bring(images, source, Chosen(manifest, named.digest, str(reference), names), report, fits)
    return manifest


class Chosen(NamedTuple):
    """An image that is to be here."""

    manifest: "Manifest"
    target: Digest
    """What the source knows it by: the manifest's digest, or that of an index."""
    shown: str
    """How messages call it."""
    names: "list[Reference]"


async def bring(
    images: Images, source: "Source", chosen: Chosen, report: Report, fits: Callable[[Platform], None] = lambda _: None
) -> None:
    """Fetch what is not here of an image, check every byte, and give it its names.

    ``fits`` may refuse what it is for. Raises RegistryError and Fault.
    """
    manifest, shown = chosen.manifest, chosen.shown
    config = _check_config(manifest, shown)
    with open_workspace(images) as workspace:
        known = images.has(config.digest)
        raw = images.read(config.digest) if known else await read_config(source, config)
        parsed = ImageConfig.parse(raw, shown)
        fits(parsed.platform)
        diff_ids = parsed.rootfs.diff_ids
        if len(diff_ids) != len(manifest.layers):
            raise Fault(f"{shown} has {len(manifest.layers)} layers, and its configuration lists {len(diff_ids)}")
        # Only now may we look for what is here already.
        contents = [manifest.digest, config.digest, *(layer.digest for layer in manifest.layers)]
        workspace.pin([*contents, *diff_ids])
        await Fetching(images, source, workspace, report).layers(list(zip(manifest.layers, diff_ids, strict=True)))
        workspace.add_bytes(raw, config.digest)
        workspace.add_bytes(manifest.raw, manifest.digest)
        workspace.keep(manifest, chosen.target, chosen.names)


async def choose(source: "Source", named: "Manifest", wanted: Platform | None, name: str) -> "Manifest":
    """Choose from an index what suits best. Raises Fault if nothing does."""
    if not named.is_index:
        return named
    offered = [(of_image(p.os, p.architecture, p.variant), child) for child in named.children if (p := child.platform)]
    for possible in (wanted or this_machine()).alternatives():
        for there, child in offered:
            if there == possible:
                return await source.manifests.get(child.digest)
    others = sorted({str(there) for there, _ in offered if there.os != "unknown"})
    raise Fault(f"{name} is not offered for {wanted or this_host()}, only for {', '.join(others) or 'no platform'}")


def _check_config(manifest: "Manifest", name: str) -> "Descriptor":
    config = manifest.config
    if config is None or not media.is_image_config(config.media_type):
        kind = manifest.document.artifact_type or (config.media_type if config else manifest.media_type)
        raise Fault(f"{name} is no container image but {kind or 'something else'}")
    if config.size > CONFIG_LIMIT or len(manifest.layers) > _LAYERS_LIMIT:
        raise Fault(f"{name} has {len(manifest.layers)} layers and a configuration of {config.size} bytes: too much")
    for layer in manifest.layers:
        if layer.urls or media.is_foreign_layer(layer.media_type):
            raise Fault(f"{name} has a layer that its registry does not hold, which is not supported")
    return config


async def read_config(source: "Source", config: "Descriptor") -> bytes:
    """Fetch a configuration, no more of it than one may have. Raises RegistryError."""
    blob = await source.blobs.get(config.digest)
    pieces, size = [], 0
    async for piece in blob.read():
        pieces.append(piece)
        size += len(piece)
        if size > CONFIG_LIMIT:
            break
    raw = b"".join(pieces)
    if Digest.of(raw, config.digest.algorithm) != config.digest:
        raise DigestInvalid(f"the registry sent something else as configuration {config.digest}")
    return raw
