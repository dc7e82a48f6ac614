"""What a manifest says, as a document that is right in every part; ``storage.oci.lenient`` reads the others."""

from typing import Annotated, Final

import msgspec

from storage.oci.digest import Digest
from storage.oci.errors import ManifestInvalid


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


class Document(msgspec.Struct, frozen=True, rename="camel"):
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


#: What msgspec raises for bytes that are not what they should be.
FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_digest(kind: type, value: object) -> object:
    """Tell msgspec how to read a digest."""
    if kind is Digest and isinstance(value, str):
        return Digest(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


_DOCUMENT_DECODER: Final = msgspec.json.Decoder(Document, dec_hook=read_digest)
_DESCRIPTOR_DECODER: Final = msgspec.json.Decoder(Descriptor, dec_hook=read_digest)


def decode_document(raw: bytes) -> Document:
    """Read a manifest in which nothing may be amiss.

    Raises:
        ManifestInvalid: it is no JSON, or a part of it is missing or of the wrong type.

    """
    try:
        return _DOCUMENT_DECODER.decode(raw)
    except FAULTS as error:
        raise ManifestInvalid(f"the manifest cannot be read: {error}") from error


def decode_descriptor(raw: bytes) -> Descriptor:
    """Read a descriptor that stands alone.

    Raises:
        ManifestInvalid: it is not one.

    """
    try:
        return _DESCRIPTOR_DECODER.decode(raw)
    except FAULTS as error:
        raise ManifestInvalid(f"not a descriptor: {error}") from error
