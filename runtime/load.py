"""Take in saved images: archives of docker and podman, and OCI layouts, packed in a tar or as a directory.

Where there is an OCI index it decides, for it keeps manifests as they were; docker's own list (``manifest.json``) then
adds names. An archive that has docker's list alone, which is what docker wrote up to version 24, gets a manifest here.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import msgspec

from runtime.errors import Fault
from runtime.image_config import CONFIG_LIMIT, ImageConfig
from runtime.images import Images
from runtime.platforms import Platform
from runtime.pull import Chosen, Report, bring, choose
from runtime.saved import Files, Part, SavedBlob
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.document import Descriptor
from storage.oci.errors import DigestInvalid, RegistryError
from storage.oci.manifest import SIZE_LIMIT, Manifest, write_manifest
from storage.oci.reference import Name, Reference, Tag

#: Names of an image in an OCI index: the whole, as containerd and docker write it, and a tag, or whole with podman.
IMAGE_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"
_COMPRESSED: Final = {b"\x1f\x8b": media.OCI_LAYER_GZIP, b"\x28\xb5": media.OCI_LAYER_ZSTD}


class _Listed(msgspec.Struct, frozen=True, rename="pascal"):
    """An image in docker's list; what is not a tag is the name of a file."""

    config: str
    repo_tags: list[str] | None = None
    layers: list[str] | None = None


_LIST_DECODER: Final = msgspec.json.Decoder(list[_Listed])


class Loaded(NamedTuple):
    """An image that is here now."""

    image: Digest
    names: list[Reference]


async def load(
    images: Images, files: Files, shown: str, report: Report, wanted: Platform | None = None
) -> AsyncIterator[Loaded]:
    """Take in every image, one after the other; of one for several platforms that which is wanted.

    Raises Fault, and RegistryError where content is not what it claims to be.
    """
    listed, index = _read_list(files, shown), files.find("index.json")
    saved = Saved(files)
    if index is not None:
        offered = _merge([await _by_index(saved, entry, shown, wanted) for entry in _read_index(index).children])
    else:
        offered = [_by_list(saved, each, shown) for each in listed]
    if not offered:
        raise Fault(f"{shown} holds no image: no manifest.json and no index.json that lists one")
    for chosen in offered:
        image = chosen.manifest.config.digest if chosen.manifest.config else chosen.target
        names = [*chosen.names, *(name for each in listed if image.hex in each.config for name in _tags(each))]
        unique = list(dict.fromkeys(names))
        await bring(images, saved, chosen._replace(names=unique), report)
        yield Loaded(image, unique)


class Saved:
    """What was saved, in the shape of a repository."""

    def __init__(self, files: Files) -> None:
        self.name = Name("saved")
        self.parts: dict[Digest, Part] = {}
        """What lies under another name than an OCI layout has for it."""
        self._files = files

    @property
    def blobs(self) -> "Saved":
        """Itself: what it holds is asked for by digest, whatever it is."""
        return self

    @property
    def manifests(self) -> "_SavedManifests":
        """The manifests among it."""
        return _SavedManifests(self)

    def find(self, name: str) -> Part:
        """Find a file. Raises Fault."""
        part = self._files.find(name)
        if part is None:
            raise Fault(f"the archive lacks {name[:200]!r}, which its images need")
        return part

    async def get(self, digest: Digest, /) -> SavedBlob:
        """Find content. Raises Fault."""
        part = self.parts.get(digest) or self.find(f"blobs/{digest.algorithm}/{digest.hex}")
        return SavedBlob(digest, part)


class _SavedManifests:
    def __init__(self, saved: Saved) -> None:
        self._saved = saved

    async def get(self, reference: Tag | Digest, /) -> Manifest:
        digest = Digest(reference)
        raw = self._saved.find(f"blobs/{digest.algorithm}/{digest.hex}").read(SIZE_LIMIT)
        if Digest.of(raw, digest.algorithm) != digest:
            raise DigestInvalid(f"the archive holds something else as manifest {digest}")
        # An OCI manifest need not say that it is one.
        return Manifest.parse(raw, Manifest.stored(raw, digest).media_type, digest)


async def _by_index(saved: Saved, entry: Descriptor, shown: str, wanted: Platform | None) -> Chosen:
    named = await saved.manifests.get(entry.digest)
    manifest = await choose(saved, named, wanted, shown)
    notes = entry.annotations or {}
    written = notes.get(IMAGE_NAME) or notes.get(REF_NAME, "")
    # A tag alone is no name of an image.
    names = _read_names([written]) if ":" in written or "/" in written else []
    return Chosen(manifest, named.digest, shown, names)


def _merge(offered: list[Chosen]) -> list[Chosen]:
    """Make one of those that are the same image under several names."""
    merged: dict[Digest, Chosen] = {}
    for chosen in offered:
        before = merged.get(chosen.manifest.digest, chosen._replace(names=[]))
        merged[chosen.manifest.digest] = before._replace(names=[*before.names, *chosen.names])
    return list(merged.values())


def _by_list(saved: Saved, listed: _Listed, shown: str) -> Chosen:
    """Write the manifest that the archive does not have."""
    part = saved.find(listed.config)
    raw = part.read(CONFIG_LIMIT)
    config = Descriptor(media_type=media.OCI_CONFIG, digest=Digest.of(raw), size=len(raw))
    saved.parts[config.digest] = part
    diff_ids = ImageConfig.parse(raw, shown).rootfs.diff_ids
    names = listed.layers or []
    if len(names) != len(diff_ids):
        raise Fault(f"{shown} lists {len(names)} layers for an image whose configuration has {len(diff_ids)}")
    layers = [_describe(saved, name, diff_id) for name, diff_id in zip(names, diff_ids, strict=True)]
    manifest = Manifest.parse(write_manifest(config, layers))
    return Chosen(manifest, manifest.digest, shown, _tags(listed))


def _describe(saved: Saved, name: str, diff_id: Digest) -> Descriptor:
    part = saved.find(name)
    kind = _COMPRESSED.get(part.begin(2))
    # What is not compressed is what its diff ID says, or will be refused.
    digest = diff_id if kind is None else part.digest()
    saved.parts[digest] = part
    return Descriptor(media_type=kind or media.OCI_LAYER, digest=digest, size=part.size)


def _read_list(files: Files, shown: str) -> list[_Listed]:
    part = files.find("manifest.json")
    if part is None:
        return []
    try:
        return _LIST_DECODER.decode(part.read(SIZE_LIMIT))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(f"the manifest.json of {shown} cannot be read: {error}") from error


def _read_index(part: Part) -> Manifest:
    return Manifest.parse(part.read(SIZE_LIMIT), media.OCI_INDEX)


def _tags(listed: _Listed) -> list[Reference]:
    return _read_names(listed.repo_tags or [])


def _read_names(texts: list[str]) -> list[Reference]:
    try:
        return [Reference.parse(text) for text in texts]
    except RegistryError as error:
        raise Fault(f"the archive names an image as none can be called: {error}") from error
