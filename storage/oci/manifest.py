"""Manifests: their raw bytes are the truth, and what they refer to is read from them."""

from typing import TYPE_CHECKING, Final, Self

import msgspec

from storage.oci import lenient, media
from storage.oci.ambiguity import check_names
from storage.oci.digest import Digest
from storage.oci.document import Descriptor, Document, decode_document
from storage.oci.errors import ManifestInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Clients read no more than 4 MiB of a manifest, containerd 4,393,216 bytes; a larger one could not be pulled.
SIZE_LIMIT: Final = 4 * 1024 * 1024


class Manifest:
    """A manifest, with what it says.

    ``raw`` is what is stored, served and digested, byte for byte. ``digest`` is by the algorithm it was pushed with.
    """

    __slots__ = ("_document", "digest", "media_type", "raw")

    def __init__(self, raw: bytes, media_type: str, digest: Digest, document: Document | None = None) -> None:
        self.raw = raw
        self.media_type = media_type
        self.digest = digest
        self._document = document

    @classmethod
    def parse(cls, raw: bytes, media_type: str = "", digest: Digest | None = None) -> Self:
        """Read and check a manifest of others whose image is to be run or copied.

        ``media_type`` is the Content-Type, empty if there was none. ``digest`` is what ``raw`` is known to hash to;
        without it the SHA-256 is computed.

        Raises:
            ManifestInvalid: not JSON, something in it is missing or of the wrong type, not of the type claimed, or it
                could be read in two ways (CVE-2021-41190).

        """
        return cls._checked(raw, decode_document(raw), media_type, digest)

    @classmethod
    def pushed(cls, raw: bytes, media_type: str, digest: Digest) -> Self:
        """Read and check a manifest that is to be stored; see ``parse``, which takes less.

        Raises:
            ManifestInvalid: clients could not read it, or could read it in two ways, or it is not of the type claimed.

        """
        return cls._checked(raw, lenient.take(raw), media_type, digest)

    @classmethod
    def stored(cls, raw: bytes, digest: Digest) -> Self:
        """Take what a registry accepted at some time, whatever it holds."""
        return cls(raw, lenient.media_type(raw), digest)

    @classmethod
    def _checked(cls, raw: bytes, document: Document, media_type: str, digest: Digest | None) -> Self:
        kind = _settle_type(document, media_type)
        _check_shape(document, kind)
        check_names(lenient.readable(raw))
        return cls(raw, kind, digest or Digest.of(raw), document)

    def __eq__(self, other: object) -> bool:
        """Compare what is stored of them; the rest follows from it."""
        if not isinstance(other, Manifest):
            return NotImplemented
        return (self.raw, self.media_type, self.digest) == (other.raw, other.media_type, other.digest)

    def __hash__(self) -> int:
        """Give the hash that equality asks for."""
        return hash((self.media_type, self.digest))

    def read(self) -> Document:
        """Read what it says, if that has not been done: of one that is stored, whatever there is to read."""
        if self._document is None:
            self._document = lenient.read(self.raw)
        return self._document

    @property
    def document(self) -> Document:
        """What it says. A large one that is stored takes a while to ``read``."""
        return self.read()

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.document.manifests is not None

    @property
    def config(self) -> Descriptor | None:
        """The image's configuration, if it has one."""
        return self.document.config

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers, lowest first."""
        return self.document.layers or ()

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests an index lists."""
        return self.document.manifests or ()

    @property
    def subject(self) -> Descriptor | None:
        """The manifest this one is attached to; it need not exist."""
        return self.document.subject

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs a registry must hold for the manifest to be whole, without those that lie elsewhere."""
        config = (self.document.config,) if self.document.config is not None else ()
        listed = (*config, *self.layers, *(self.document.blobs or ()))
        return tuple(d for d in listed if not d.urls and not media.is_foreign_layer(d.media_type))

    @property
    def descriptor(self) -> Descriptor:
        """The manifest as a list of referrers shows it (distribution-spec, "Listing Referrers")."""
        kind = self.document.artifact_type
        if not kind and self.media_type in media.IMAGES and self.document.config is not None:
            kind = self.document.config.media_type
        return Descriptor(
            media_type=self.media_type,
            digest=self.digest,
            size=len(self.raw),
            artifact_type=kind or None,
            annotations=self.document.annotations or None,
        )


class Index(msgspec.Struct, rename="camel", omit_defaults=False, kw_only=True):
    """An index we write ourselves, such as the answer to a question for referrers."""

    schema_version: int = 2
    media_type: str = media.OCI_INDEX
    manifests: list[Descriptor]


def write_manifest(config: Descriptor, layers: "Sequence[Descriptor]") -> bytes:
    """Write an image manifest of our own."""
    document = {"schemaVersion": 2, "mediaType": media.OCI_MANIFEST, "config": config, "layers": layers}
    return _ENCODER.encode(document)


def encode(document: Index | Descriptor) -> bytes:
    """Write an index or a descriptor as JSON."""
    return _ENCODER.encode(document)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


def _settle_type(document: Document, content_type: str) -> str:
    """Decide what the manifest is from its header and its own word, which must not differ."""
    claimed = document.media_type
    if content_type in ("", media.OCTET_STREAM):
        content_type = claimed
    if claimed and claimed != content_type:
        raise ManifestInvalid(
            f"the Content-Type says {content_type[:200]!r} and the manifest's mediaType {claimed[:200]!r}"
        )
    if content_type not in media.MANIFESTS:
        raise ManifestInvalid(
            f"{content_type[:200]!r} is not a manifest type this registry takes"
            if content_type
            else "neither a Content-Type nor a mediaType says what this manifest is"
        )
    if not claimed and content_type not in (media.OCI_MANIFEST, media.OCI_INDEX):
        # Only its bytes are stored, so they must tell what it is.
        raise ManifestInvalid(f"a manifest of the type {content_type!r} states it as its mediaType")
    return content_type


def _check_shape(document: Document, kind: str) -> None:
    is_index = kind in media.INDEXES
    image_parts = document.config is not None or document.layers is not None
    if document.manifests is not None and image_parts:
        raise ManifestInvalid("a manifest with both 'manifests' and 'config' or 'layers' could be read in two ways")
    if kind == media.OCI_ARTIFACT:
        return
    if document.schema_version != 2:
        raise ManifestInvalid(f"schemaVersion is {document.schema_version}, and must be 2")
    if is_index and image_parts:
        raise ManifestInvalid("an index has 'manifests', not 'config' or 'layers'")
    if not is_index and (document.manifests is not None or document.config is None):
        raise ManifestInvalid("an image manifest has a 'config' and 'layers', not 'manifests'")
