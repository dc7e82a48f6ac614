"""Layers on their way to this host: side by side, each made ready by a process of its own while it still comes in."""

import asyncio
import os
import socket
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from runtime.config import wanted_layers
from runtime.errors import Fault, LayerInvalid
from runtime.layer_mode import Mode, find_mode
from runtime.layers import ARCHIVE
from runtime.lean import to_json
from runtime.maker import Order, cannot_keep
from runtime.workshop import Workshop, open_workshop
from storage.copy import Progress
from storage.oci.errors import DigestInvalid, ManifestInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.images import Images
    from runtime.workspace import Workspace
    from storage.copy import Source
    from storage.oci.digest import Digest
    from storage.oci.document import Descriptor

_PARALLEL: Final = 4


class Fetching:
    """Fetches what is not here of the layers of an image."""

    def __init__(
        self, images: "Images", source: "Source", workspace: "Workspace", report: Callable[[Progress], None]
    ) -> None:
        self._images = images
        self._source = source
        self._workspace = workspace
        self._report = report
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._answers: list[asyncio.StreamReader] = []

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
        workshop = open_workshop()
        try:
            async with asyncio.TaskGroup() as group:
                for layer, diff_id in missing.values():
                    group.create_task(self._layer(layer, diff_id, mode, workshop))
        except* Exception as faults:  # noqa: BLE001 - one is raised again, as it would be without the group
            raise faults.exceptions[0] from None
        finally:
            workshop.close()
            for answer in self._answers:
                await answer.read()  # which ends when nobody makes the layer any more

    async def _layer(self, layer: "Descriptor", diff_id: "Digest", mode: Mode, workshop: Workshop) -> None:
        if layer.digest.algorithm != "sha256" or diff_id.algorithm != "sha256":
            raise ManifestInvalid(f"the layer {layer.digest} has a digest other than SHA-256, which is not supported")
        async with self._slots:
            made, coming = (self._workspace.path / f"{layer.digest.hex}.{suffix}" for suffix in ("made", "layer"))
            try:
                made.mkdir(mode=0o700)
                with coming.open("xb", buffering=0) as file:
                    order = Order(str(made), mode.name, str(coming), layer.digest, diff_id)
                    await self._make(layer, order, file, workshop)
                _share(made / ARCHIVE, coming, plain=layer.digest == diff_id)
                # First the tree: content that is here says that its layer is, too.
                self._images.layers.publish(made, diff_id)
                self._workspace.add(coming, layer.digest)
            except OSError as error:
                raise Fault(cannot_keep(layer.digest, str(coming), error)) from error
            self._report(Progress(layer.digest, "copied", layer.size, layer.size))

    async def _make(self, layer: "Descriptor", order: Order, file: BinaryIO, workshop: Workshop) -> None:
        news, answer = await _send(order, workshop)
        self._answers.append(answer)
        try:
            await self._feed(news, layer, file)
            message = await answer.read()
        finally:
            news.close()
        if message != b"\n":
            said = message.decode(errors="replace").strip()
            raise LayerInvalid(said or f"making the layer {layer.digest} was broken off")

    async def _feed(self, news: asyncio.StreamWriter, layer: "Descriptor", file: BinaryIO) -> None:
        blob = await self._source.blobs.get(layer.digest)
        if blob.size != layer.size:
            raise DigestInvalid(f"the layer {layer.digest} has {blob.size} bytes, and its manifest says {layer.size}")
        done = 0
        try:
            async for piece in blob.read():
                _write(file, piece)
                done += len(piece)
                news.write(b"%d\n" % done)
                await news.drain()
                self._report(Progress(layer.digest, "copying", done, layer.size))
            news.write_eof()
        except (BrokenPipeError, ConnectionResetError):
            return  # the maker found a fault, and says which


async def _send(order: Order, workshop: Workshop) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    """Order a layer: give where to tell what has come of it, and where to read the answer."""
    ours, its = socket.socketpair()
    answer, written = os.pipe()
    with its:
        workshop.order(its.fileno(), written)
    os.close(written)
    _, news = await asyncio.open_connection(sock=ours)
    reader = asyncio.StreamReader()
    # A pipe, for a socket would lose the answer if the other end had not read all by then.
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), FileIO(answer))
    news.write(to_json(order).encode() + b"\n")
    return news, reader


def _share(archive: Path, coming: Path, *, plain: bool) -> None:
    """Keep once what came without compression and is kept as an archive: its bytes are the same."""
    if plain and archive.exists():
        coming.unlink()
        os.link(archive, coming)


def _write(file: BinaryIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]
