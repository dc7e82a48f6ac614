"""The images on this host.

``content/sha256/HEX`` holds manifests, configurations and layers as they came, so that an image can be pushed as it was
pulled; ``layers/`` the layers ready for use; ``references/`` a file for each name. Every one of them appears whole by a
rename: commands may run at once and be killed at any moment. What is half done lies in ``new/``, and the next command
sweeps it away.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from runtime.claim import claim, sweep
from runtime.errors import Fault
from runtime.layers import Layers, sync_folder
from runtime.tree import remove_tree
from storage.oci.digest import Digest
from storage.oci.manifest import Manifest
from storage.oci.reference import Reference

#: A configuration lists a line of history for each layer; a larger one is no image's.
CONFIG_LIMIT: Final = 8 * 1024 * 1024


class Record(msgspec.Struct, frozen=True):
    """What a name stands for. ``pulled`` is in seconds since the epoch."""

    reference: str
    manifest: Digest
    media_type: str
    target: Digest
    """What the name stood for in the registry: the manifest, or an index that lists it."""
    pulled: float


class Process(msgspec.Struct, frozen=True, rename="pascal"):
    """How an image wants to be run (image-spec, config.md); Docker writes null for what is empty."""

    user: str = msgspec.field(name="User", default="")
    env: list[str] | None = msgspec.field(name="Env", default=None)
    entrypoint: list[str] | None = msgspec.field(name="Entrypoint", default=None)
    cmd: list[str] | None = msgspec.field(name="Cmd", default=None)
    working_dir: str = msgspec.field(name="WorkingDir", default="")
    stop_signal: str = msgspec.field(name="StopSignal", default="")
    labels: dict[str, str] | None = msgspec.field(name="Labels", default=None)


class RootFs(msgspec.Struct, frozen=True):
    """The layers of an image, lowest first, by the digests of their archives."""

    diff_ids: list[Digest] = []


class ImageConfig(msgspec.Struct, frozen=True):
    """An image's configuration (image-spec, config.md)."""

    architecture: str = ""
    os: str = ""
    created: str | None = None
    config: Process | None = None
    rootfs: RootFs = RootFs()

    @classmethod
    def parse(cls, raw: bytes, name: str) -> "ImageConfig":
        """Read a configuration. Raises Fault if it is not one; ``name`` says of what."""
        try:
            return _CONFIG_DECODER.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Fault(f"the configuration of {name} cannot be read: {error}") from error


class Image(msgspec.Struct, frozen=True):
    """An image on this host."""

    record: Record
    manifest: Manifest
    config: ImageConfig

    @property
    def size(self) -> int:
        """What its layers take in a registry, in bytes."""
        return sum(layer.size for layer in self.manifest.layers)


class Images:
    """The images below the home directory."""

    def __init__(self, home: Path) -> None:
        self.layers = Layers(home / "layers", home / "containers")
        self._content = home / "content" / "sha256"
        self._references = home / "references"
        self._new = home / "new"

    def content(self, digest: Digest) -> Path:
        """Give the file of a manifest, configuration or layer; it need not exist."""
        return self._content / digest.hex

    def has(self, digest: Digest) -> bool:
        """Tell whether content is there, which means whole."""
        return self.content(digest).is_file()

    def read(self, digest: Digest) -> bytes:
        """Read a manifest or configuration. Raises Fault if it is gone or damaged."""
        try:
            raw = self.content(digest).read_bytes()
        except FileNotFoundError as error:
            raise Fault(f"{digest} is missing on this host: pull the image again") from error
        if hashlib.sha256(raw).hexdigest() != digest.hex:
            self.content(digest).unlink(missing_ok=True)
            raise Fault(f"{digest} was damaged on this host and has been removed: pull the image again")
        return raw

    def find(self, reference: Reference) -> Image | None:
        """Find an image by its name. Raises Fault if it is damaged."""
        try:
            raw = self._file(str(reference)).read_bytes()
        except FileNotFoundError:
            return None
        return self._open(raw, str(reference))

    def __iter__(self) -> Iterator[Image]:
        """Give every image, by name."""
        try:
            files = [file for file in self._references.iterdir() if file.suffix == ".json"]
        except FileNotFoundError:
            return
        images = [self._open(file.read_bytes(), file.name) for file in files]
        yield from sorted(images, key=lambda image: image.record.reference)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """Make a directory for what is half done; it is removed afterwards, if need be by a later command."""
        sweep(self._new, remove_tree)
        with claim(self._new) as path:
            try:
                yield path
            finally:
                remove_tree(path)

    def add(self, file: Path, digest: Digest) -> None:
        """Take over a file that is known to have this digest."""
        self._content.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish(file, self.content(digest))

    def add_bytes(self, workspace: Path, raw: bytes, digest: Digest) -> None:
        """Keep a manifest or configuration that is known to have this digest."""
        file = workspace / digest.hex
        file.write_bytes(raw)
        self.add(file, digest)

    def name(self, workspace: Path, reference: Reference, manifest: Manifest, target: Digest) -> None:
        """Let a name stand for an image, all of which is here."""
        record = Record(str(reference), manifest.digest, manifest.media_type, target, time.time())
        file = workspace / "reference"
        file.write_bytes(msgspec.json.encode(record, enc_hook=str))
        self._references.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish(file, self._file(record.reference))

    def _file(self, reference: str) -> Path:
        # A digest, because a reference may be longer than a file name and holds slashes.
        return self._references / f"{hashlib.sha256(reference.encode()).hexdigest()}.json"

    def _open(self, raw: bytes, name: str) -> Image:
        try:
            record = _RECORD_DECODER.decode(raw)
        except msgspec.MsgspecError as error:
            raise Fault(f"the note of the image {name} on this host is damaged: pull it again ({error})") from error
        manifest = Manifest.parse(self.read(record.manifest), record.media_type, record.manifest)
        if manifest.config is None:
            raise Fault(f"{record.reference} is no container image")
        return Image(record, manifest, ImageConfig.parse(self.read(manifest.config.digest), record.reference))


def _publish(file: Path, target: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
    file.rename(target)
    sync_folder(target.parent)


def _read_digest(kind: type, value: object) -> object:
    if kind is Digest and isinstance(value, str):
        return Digest(value)
    raise TypeError(f"expected text, got {type(value).__name__}")


_CONFIG_DECODER: Final = msgspec.json.Decoder(ImageConfig, dec_hook=_read_digest)
_RECORD_DECODER: Final = msgspec.json.Decoder(Record, dec_hook=_read_digest)
