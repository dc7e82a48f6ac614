"""Manifests: their raw bytes are the truth, what they refer to is read from them once."""

from typing import TYPE_CHECKING, Annotated, Final, Self

import msgspec

from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.errors import ManifestInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Clients read no more than 4 MiB of a manifest, containerd 4,393,216 bytes; a larger one could not be pulled.
SIZE_LIMIT: Final = 4 * 1024 * 1024


class Platform(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where an image runs (image-spec, image-index.md)."""

    architecture: str = ""
    os: str = ""
    variant: str | None = None


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """What a piece of content is, how large, and its digest (image-spec, descriptor.md). ``size`` is in bytes."""

    media_type: str = ""
    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    urls: tuple[str, ...] | None = None
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str | None = None


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    """The parts of any manifest that a registry or a client acts on; Go's writers say null for an empty list."""

    schema_version: int = 0
    media_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None
    blobs: tuple[Descriptor, ...] | None = None
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True):
    """A manifest as it was pushed, with what it says.

    ``raw`` is what is stored, served and digested, byte for byte. ``digest`` is by the algorithm it was pushed with.
    """

    raw: bytes
    media_type: str
    digest: Digest
    document: _Document

    @classmethod
    def parse(cls, raw: bytes, media_type: str = "", digest: Digest | None = None) -> Self:
        """Read and check a manifest that is being pushed.

        ``media_type`` is the Content-Type, empty if there was none. ``digest`` is what ``raw`` is known to hash to;
        without it the SHA-256 is computed.

        Raises:
            ManifestInvalid: not JSON, not of the type claimed, or of two kinds at once (CVE-2021-41190).

        """
        document = _decode(raw)
        kind = _settle_type(document, media_type)
        _check_shape(document, kind)
        return cls(raw, kind, digest or Digest.of(raw), document)

    @classmethod
    def stored(cls, raw: bytes, digest: Digest) -> Self:
        """Read a manifest that a registry accepted earlier, be it older than our rules.

        Raises:
            ManifestInvalid: it is not JSON.

        """
        document = _decode(raw)
        return cls(raw, document.media_type or _guess_type(document, raw), digest, document)

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


def decode_descriptor(raw: bytes) -> Descriptor:
    """Read a descriptor that stands alone.

    Raises:
        ManifestInvalid: it is not one.

    """
    try:
        return _DESCRIPTOR_DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid(f"not a descriptor: {error}") from error


def _read_digest(kind: type, value: object) -> object:
    if kind is Digest and isinstance(value, str):
        return Digest(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


_DECODER: Final = msgspec.json.Decoder(_Document, dec_hook=_read_digest)
_DESCRIPTOR_DECODER: Final = msgspec.json.Decoder(Descriptor, dec_hook=_read_digest)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


def _decode(raw: bytes) -> _Document:
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid(f"the manifest cannot be read: {error}") from error


def _settle_type(document: _Document, content_type: str) -> str:
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


def _check_shape(document: _Document, kind: str) -> None:
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


def _guess_type(document: _Document, raw: bytes) -> str:
    if document.schema_version == 1:
        signed = b'"signatures"' in raw
        return f"application/vnd.docker.distribution.manifest.v1+{'prettyjws' if signed else 'json'}"
    return media.OCI_INDEX if document.config is None else media.OCI_MANIFEST
