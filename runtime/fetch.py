"""Layers on their way to this host: side by side, each made ready by a process of its own while it still comes in."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from runtime.config import wanted_layers
from runtime.errors import Fault, LayerInvalid
from runtime.layer_mode import Mode, find_mode
from runtime.layers import ARCHIVE
from runtime.maker import cannot_keep
from storage.copy import Progress
from storage.oci.errors import DigestInvalid, ManifestInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.images import Images
    from storage.copy import Source
    from storage.oci.digest import Digest
    from storage.oci.manifest import Descriptor

_PARALLEL: Final = 4
#: Isolated and without site, which takes half the time; what the caller can import is told by the last arguments.
_MAKER: Final = "import sys; sys.path[:] = sys.argv[6:]; from runtime.maker import main; sys.exit(main(sys.argv[1:6]))"
#: Where our packages are; an editable install may find them by a hook of its own, not by the path.
_HOME: Final = str(Path(__file__).parents[1])


class Fetching:
    """Fetches what is not here of the layers of an image."""

    def __init__(self, images: "Images", source: "Source", workspace: Path, report: Callable[[Progress], None]) -> None:
        self._images = images
        self._source = source
        self._workspace = workspace
        self._report = report
        self._slots = asyncio.Semaphore(_PARALLEL)

    async def layers(self, wanted: "Sequence[tuple[Descriptor, Digest]]") -> None:
        """Fetch layers, each with its diff ID; one that occurs twice is fetched once."""
        missing = {}
        for layer, diff_id in wanted:
            if self._images.has(layer.digest) and self._images.layers.has(diff_id):
                self._report(Progress(layer.digest, "exists", layer.size, layer.size))
            else:
                missing[layer.digest] = (layer, diff_id)
        if not missing:
            return
        mode = find_mode(self._images.home, wanted_layers())
        try:
            async with asyncio.TaskGroup() as group:
                for layer, diff_id in missing.values():
                    group.create_task(self._layer(layer, diff_id, mode))
        except* Exception as faults:  # noqa: BLE001 - one is raised again, as it would be without the group
            raise faults.exceptions[0] from None

    async def _layer(self, layer: "Descriptor", diff_id: "Digest", mode: Mode) -> None:
        if layer.digest.algorithm != "sha256" or diff_id.algorithm != "sha256":
            raise ManifestInvalid(f"the layer {layer.digest} has a digest other than SHA-256, which is not supported")
        async with self._slots:
            made, coming = (self._workspace / f"{layer.digest.hex}.{suffix}" for suffix in ("made", "layer"))
            try:
                made.mkdir(mode=0o700)
                with coming.open("xb", buffering=0) as file:
                    await self._make(layer, (str(made), mode.name, str(coming), layer.digest, diff_id), file)
                _share(made / ARCHIVE, coming, plain=layer.digest == diff_id)
                # First the tree: content that is here says that its layer is, too.
                self._images.layers.publish(made, diff_id)
                self._images.add(coming, layer.digest)
            except OSError as error:
                raise Fault(cannot_keep(layer.digest, str(coming), error)) from error
            self._report(Progress(layer.digest, "copied", layer.size, layer.size))

    async def _make(self, layer: "Descriptor", arguments: tuple[str, ...], file: BinaryIO) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _MAKER, *arguments, _HOME, *filter(None, sys.path)),
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, message = await asyncio.gather(self._feed(process, layer, file), self._listen(process))
            status = await process.wait()
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        if status != 0:
            raise LayerInvalid(message or f"making the layer {layer.digest} ended with status {status}")

    async def _feed(self, process: asyncio.subprocess.Process, layer: "Descriptor", file: BinaryIO) -> None:
        entrance = process.stdin
        if entrance is None:
            return
        blob = await self._source.blobs.get(layer.digest)
        if blob.size != layer.size:
            raise DigestInvalid(f"the layer {layer.digest} has {blob.size} bytes, and its manifest says {layer.size}")
        done = 0
        try:
            async for piece in blob.read():
                _write(file, piece)
                done += len(piece)
                entrance.write(b"%d\n" % done)
                await entrance.drain()
                self._report(Progress(layer.digest, "copying", done, layer.size))
        except (BrokenPipeError, ConnectionResetError):
            return  # the process found a fault, and says which
        finally:
            entrance.close()

    @staticmethod
    async def _listen(process: asyncio.subprocess.Process) -> str:
        return (await process.stderr.read()).decode(errors="replace").strip() if process.stderr else ""


def _share(archive: Path, coming: Path, *, plain: bool) -> None:
    """Keep once what came without compression and is kept as an archive: its bytes are the same."""
    if plain and archive.exists():
        coming.unlink()
        os.link(archive, coming)


def _write(file: BinaryIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
