"""Fetch an image: layers side by side, each unpacked by a process of its own while it is still being downloaded."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runtime.errors import Fault, LayerInvalid
from runtime.images import CONFIG_LIMIT, ImageConfig, Images
from runtime.layers import ROOT
from runtime.platforms import Platform, check, of_image, this_host, this_machine
from storage.copy import Progress
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.errors import DigestInvalid, ManifestInvalid

if TYPE_CHECKING:
    from storage.oci.manifest import Descriptor, Manifest
    from storage.oci.reference import Reference
    from storage.repository import Repository

_PARALLEL: Final = 4
_LAYERS_LIMIT: Final = 127
"""As many as overlayfs stacks under Docker's options."""

Report = Callable[[Progress], None]


async def pull(
    images: Images, source: "Repository", reference: "Reference", report: Report, wanted: Platform | None = None
) -> "Manifest":
    """Fetch what is not here of an image, check every byte, and let the reference stand for it.

    Raises:
        RegistryError: as the registry says. Fault: it is damaged, no image, or not for the platform that is wanted,
        which without a wish is this machine's.

    """
    named = await source.manifests.get(reference.target)
    manifest = await _choose(source, named, wanted, str(reference))
    config = _check_config(manifest, str(reference))
    with images.workspace() as workspace:
        raw = await _read_config(images, source, config)
        parsed = ImageConfig.parse(raw, str(reference))
        if not named.is_index:
            check(parsed.platform, wanted, str(reference))
        diff_ids = parsed.rootfs.diff_ids
        if len(diff_ids) != len(manifest.layers):
            raise Fault(f"{reference} has {len(manifest.layers)} layers, and its configuration lists {len(diff_ids)}")
        # Only now may we look for what is here already.
        contents = [manifest.digest, config.digest, *(layer.digest for layer in manifest.layers)]
        images.pin(workspace, [*contents, *diff_ids])
        fetching = _Fetching(images, source, workspace, report)
        await fetching.layers(list(zip(manifest.layers, diff_ids, strict=True)))
        images.add_bytes(workspace, raw, config.digest)
        images.add_bytes(workspace, manifest.raw, manifest.digest)
        by_digest = reference._replace(tag=None, digest=named.digest)
        images.keep(workspace, manifest, named.digest, [by_digest, reference])
    return manifest


async def _choose(source: "Repository", named: "Manifest", wanted: Platform | None, name: str) -> "Manifest":
    """Choose from an index what suits best."""
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
    if config is None or not config.media_type.endswith(("image.config.v1+json", "container.image.v1+json")):
        kind = manifest.document.artifact_type or (config.media_type if config else manifest.media_type)
        raise Fault(f"{name} is no container image but {kind or 'something else'}")
    if config.size > CONFIG_LIMIT or len(manifest.layers) > _LAYERS_LIMIT:
        raise Fault(f"{name} has {len(manifest.layers)} layers and a configuration of {config.size} bytes: too much")
    for layer in manifest.layers:
        if layer.urls or media.is_foreign_layer(layer.media_type):
            raise Fault(f"{name} has a layer that its registry does not hold, which is not supported")
    return config


async def _read_config(images: Images, source: "Repository", config: "Descriptor") -> bytes:
    if images.has(config.digest):
        return images.read(config.digest)
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


class _Fetching:
    def __init__(self, images: Images, source: "Repository", workspace: Path, report: Report) -> None:
        self._images = images
        self._source = source
        self._workspace = workspace
        self._report = report
        self._slots = asyncio.Semaphore(_PARALLEL)

    async def layers(self, wanted: "list[tuple[Descriptor, Digest]]") -> None:
        """Fetch layers, each with its diff ID; one that occurs twice is fetched once."""
        once = {layer.digest: (layer, diff_id) for layer, diff_id in wanted}
        try:
            async with asyncio.TaskGroup() as group:
                for layer, diff_id in once.values():
                    group.create_task(self._layer(layer, diff_id))
        except* Exception as faults:  # noqa: BLE001 - one is raised again, as it would be without the group
            raise faults.exceptions[0] from None

    async def _layer(self, layer: "Descriptor", diff_id: Digest) -> None:
        if self._images.has(layer.digest) and self._images.layers.has(diff_id):
            self._report(Progress(layer.digest, "exists", layer.size, layer.size))
            return
        if layer.digest.algorithm != "sha256" or diff_id.algorithm != "sha256":
            raise ManifestInvalid(f"the layer {layer.digest} has a digest other than SHA-256, which is not supported")
        async with self._slots:
            tree = self._workspace / f"{layer.digest.hex}.made"
            file = self._workspace / f"{layer.digest.hex}.layer"
            (tree / ROOT).mkdir(mode=0o755, parents=True)
            await self._unpack(layer, diff_id, tree / ROOT, file)
            # First the tree: content that is here says that its layer is, too.
            self._images.layers.publish(tree, diff_id)
            self._images.add(file, layer.digest)
            self._report(Progress(layer.digest, "copied", layer.size, layer.size))

    async def _unpack(self, layer: "Descriptor", diff_id: Digest, tree: Path, file: Path) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "runtime.unpack",
            *(str(tree), str(file), layer.digest, diff_id),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, message = await asyncio.gather(self._feed(process, layer), self._listen(process))
            status = await process.wait()
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        if status != 0:
            raise LayerInvalid(message or f"unpacking the layer {layer.digest} ended with status {status}")

    async def _feed(self, process: asyncio.subprocess.Process, layer: "Descriptor") -> None:
        entrance = process.stdin
        if entrance is None:
            return
        try:
            async for piece in self._download(layer):
                entrance.write(piece)
                await entrance.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # the process found a fault, and says which
        finally:
            entrance.close()

    async def _download(self, layer: "Descriptor") -> AsyncIterator[bytes]:
        blob = await self._source.blobs.get(layer.digest)
        if blob.size != layer.size:
            raise DigestInvalid(f"the layer {layer.digest} has {blob.size} bytes, and its manifest says {layer.size}")
        done = 0
        async for piece in blob.read():
            done += len(piece)
            self._report(Progress(layer.digest, "copying", done, layer.size))
            yield piece

    @staticmethod
    async def _listen(process: asyncio.subprocess.Process) -> str:
        return (await process.stderr.read()).decode(errors="replace").strip() if process.stderr else ""
