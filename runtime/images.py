"""The images on this host.

``content/sha256/HEX`` holds manifests, configurations and layers as they came, so that an image can be pushed as it was
pulled; ``layers/`` the layers ready for use. ``images/ID.json`` says that an image is here, by the digest of its
configuration, and ``references/`` has a file for each name, by tag or by digest, that says what it stands for. So an
image from which a newer one has taken the tag is still here, and nothing has to be counted: what no image, name,
container or running command needs is found by looking (``garbage.py``).

Every file appears whole by a rename: commands may run at once and be killed at any moment. What is half done lies in a
workspace below ``new/``, and the next command sweeps it away. Two locks on ``images/``, each held for moments only,
keep those who use images from those who remove them:

* ``using``, shared: to look for an image and note down in the same breath that it is needed, whether in a container's
  description, in a name, or, by a command that fetches layers, in a list in its workspace (``workspace.py``). Only
  then does it look for what is here already.
* ``removing``, exclusive: to take names and images away, and then what nobody has noted down. It is renamed away or
  unlinked; deleting trees comes after the lock.

Names and images go first and durably, so that after a power cut nothing is promised that is gone.

A container that starts takes from here what its image says, and waits for nothing that this does not need: it hashes
nothing, and what is published is whole. Whoever shows, copies or checks an image holds what it reads to its digest.
"""

import os

from runtime import events
from runtime.errors import Fault
from runtime.image_config import ImageConfig
from runtime.layers import Layers, sync_file
from runtime.lean import NamedTuple, contextmanager, from_json, suppress
from runtime.lock import holding, make_private
from runtime.record import read
from storage.oci.digest import Digest
from storage.oci.shorthand import complete, full_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from storage.oci.manifest import Manifest
    from storage.oci.reference import Reference

_HEX: "Final" = frozenset("0123456789abcdef")
#: Of a file's name, without its suffix.
_NAME_LIMIT: "Final" = 250


class Record(NamedTuple):
    """That an image is here and, with a reference, that it has this name. ``pulled`` is in seconds since the epoch."""

    reference: str
    image: Digest
    """The image's ID, which is the digest of its configuration."""
    manifest: Digest
    media_type: str
    target: Digest
    """What the name stood for in the registry: the manifest, or an index that lists it."""
    pulled: float


class Image:
    """An image on this host."""

    def __init__(self, record: Record, manifest: "Manifest", config: ImageConfig) -> None:
        self.record = record
        self.manifest = manifest
        self.config = config

    @property
    def digests(self) -> tuple[Digest, ...]:
        """What it consists of."""
        return self.id, self.record.manifest, *(layer.digest for layer in self.manifest.layers)

    @property
    def id(self) -> Digest:
        """The digest of its configuration, by which Docker knows it."""
        return self.record.image


class Images:
    """The images below the home directory."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.layers = Layers(f"{home}/layers", f"{home}/containers")
        self._content = f"{home}/content/sha256"
        self._records = f"{home}/images"
        self._references = f"{home}/references"
        self.new = f"{home}/new"
        """Where commands have their workspaces."""

    def content(self, digest: Digest) -> str:
        """Give the file of a manifest, configuration or layer; it need not exist."""
        return f"{self._content}/{digest.hex}"

    def name_file(self, reference: str) -> str:
        """Give the file that says what a name stands for; it need not exist."""
        name = reference.replace("/", "%2F")
        if len(name) > _NAME_LIMIT:
            name = Digest.of(reference.encode()).hex
        return f"{self._references}/{name}.json"

    def record_file(self, image: Digest) -> str:
        """Give the file that says that an image is here; it need not exist."""
        return f"{self._records}/{image.hex}.json"

    def has(self, digest: Digest) -> bool:
        """Tell whether content is there, which means whole."""
        return os.path.isfile(self.content(digest))

    def read(self, digest: Digest) -> bytes:
        """Read a manifest or configuration. Raises Fault if it is gone or damaged."""
        raw = self._read(digest)
        if Digest.of(raw) != digest:
            with suppress(FileNotFoundError):
                os.unlink(self.content(digest))
            raise Fault(f"{digest} was damaged on this host and has been removed: pull the image again")
        return raw

    def _read(self, digest: Digest) -> bytes:
        try:
            return _read_file(self.content(digest))
        except FileNotFoundError as error:
            raise Fault(f"{digest} is missing on this host: pull the image again") from error

    def find(self, reference: "Reference") -> Record | None:
        """Find an image by its name."""
        return self._find(str(reference.decisive))

    def find_by_name(self, text: str) -> Record | None:
        """Find an image by its name as people write it; what could not be a name finds none."""
        registry, name, tag, digest = complete(text)
        full = full_name(registry, name, tag if digest is None else None, digest)
        # What people write can be no file's name at all, or another name's.
        record = self._find(full) if full.isascii() and full.isprintable() else None
        return record if record is not None and record.reference == full else None

    def _find(self, reference: str) -> Record | None:
        try:
            raw = _read_file(self.name_file(reference))
        except FileNotFoundError:
            return None
        return _read_record(raw, reference)

    def find_by_id(self, text: str) -> Record | None:
        """Find an image by its ID or the first characters of it. Raises Fault if it is one of several."""
        digits = text.removeprefix("sha256:")
        if not digits or not set(digits) <= _HEX:
            return None
        found = [name for name in self._listed(self._records) if name.startswith(digits)]
        if len(found) > 1:
            raise Fault(f"{text!r} begins the IDs of {len(found)} images: write more of the one you mean")
        return next(self._read_all(self._records, found), None)

    def records(self) -> list[Record]:
        """Give a record for each image, in no order. Raises Fault if one is damaged."""
        return list(self._read_all(self._records, self._listed(self._records)))

    def names(self) -> list[Record]:
        """Give a record for each name, in their order. Raises Fault if one is damaged."""
        found = self._read_all(self._references, self._listed(self._references))
        return sorted(found, key=lambda record: record.reference)

    def open(self, record: Record) -> Image:
        """Read an image. Raises Fault if it is damaged."""
        from storage.oci.manifest import Manifest  # noqa: PLC0415 - slow, and no container needs it

        manifest = Manifest.parse(self.read(record.manifest), record.media_type, record.manifest)
        if manifest.config is None:
            raise Fault(f"{record.reference or record.image} is no container image")
        return Image(record, manifest, ImageConfig.parse(self.read(record.image), record.reference or record.image))

    def config(self, image: Digest, name: str) -> ImageConfig:
        """Read what an image says of itself, which is all that its containers need. Raises Fault if it cannot be read.

        It was checked when it came, and is not again.
        """
        raw = self._read(image)
        try:
            return ImageConfig.parse(raw, name)
        except Fault:
            self.read(image)  # tells whether it was damaged here
            raise

    def check(self, record: Record) -> None:
        """Raise Fault unless all of an image is here."""
        image = self.open(record)
        for layer, diff_id in zip(image.manifest.layers, image.config.rootfs.diff_ids, strict=False):
            if not self.has(layer.digest) or not self.layers.has(diff_id):
                raise Fault(f"the layer {layer.digest} is missing on this host: pull the image again")

    @contextmanager
    def using(self) -> "Iterator[None]":
        """Keep images from being removed while something is noted down for which they are needed."""
        with holding(_make_folder(self._records), shared=True):
            yield

    @contextmanager
    def removing(self) -> "Iterator[None]":
        """Keep others from relying on what is about to be removed."""
        with holding(_make_folder(self._records)):
            yield

    def forget_name(self, reference: str) -> None:
        """Let a name stand for nothing; called while ``removing``."""
        with suppress(FileNotFoundError):
            os.unlink(self.name_file(reference))

    def forget(self, image: Digest) -> None:
        """Say that an image is no longer here, whose names are gone; called while ``removing``."""
        with suppress(FileNotFoundError):
            os.unlink(self.record_file(image))

    def make_forgetting_durable(self) -> None:
        """Make sure that what is forgotten stays so, before what it stood for is removed."""
        for folder in (self._references, self._records):
            if os.path.isdir(folder):
                sync_file(folder)

    def note(self, action: str, identifier: str, name: str) -> None:
        """Write down what happens to an image, by its ID or, on its way to or from a registry, by its name."""
        events.record(self.home, action, identifier, {"name": name}, kind="image")

    def contents(self) -> list[str]:
        """List the manifests, configurations and layers by the digits of their digests."""
        return self._listed(self._content)

    @staticmethod
    def _read_all(folder: str, names: "Iterable[str]") -> "Iterator[Record]":
        for name in names:
            with suppress(FileNotFoundError):  # removed while we looked
                yield _read_record(_read_file(f"{folder}/{name}"), name)

    @staticmethod
    def _listed(folder: str) -> list[str]:
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            return []


def _read_record(raw: bytes, name: str) -> Record:
    try:
        return read(Record, from_json(raw))
    except ValueError as error:
        raise Fault(f"the note of the image {name} on this host is damaged: pull it again ({error})") from error


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _make_folder(path: str) -> str:
    make_private(path)
    return path
