"""Manifests as other registries and clients read them, most of which use the decoder of Go's library.

To it a member that is null is one that is missing, and bytes that are no UTF-8 and halves of surrogate pairs stand for
U+FFFD. So manifests that lack a size or have a null among their annotations are pushed, kept and pulled everywhere.
"""

import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.document import FAULTS, Descriptor, Document, Platform, read_digest
from storage.oci.errors import ManifestInvalid

T = TypeVar("T")
Notes = dict[str, str | None]
Size = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Platform(msgspec.Struct):
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: Digest
    media_type: str | None = None
    size: Size | None = None
    urls: list[str | None] | None = None
    annotations: Notes | None = None
    platform: _Platform | None = None
    artifact_type: str | None = None


class _Document(msgspec.Struct, rename="camel"):
    schema_version: int | None = None
    media_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    artifact_type: str | None = None
    annotations: Notes | None = None


class _OnlyDigest(msgspec.Struct):
    digest: Digest


_MISSING: Final = Raw(b"null")


class _Members(msgspec.Struct, rename="camel"):
    """The members of a document, each to be read on its own."""

    schema_version: Raw = _MISSING
    media_type: Raw = _MISSING
    config: Raw = _MISSING
    layers: Raw = _MISSING
    manifests: Raw = _MISSING
    blobs: Raw = _MISSING
    subject: Raw = _MISSING
    artifact_type: Raw = _MISSING
    annotations: Raw = _MISSING


_DOCUMENT: Final = Decoder(_Document, dec_hook=read_digest)
_MEMBERS: Final = Decoder(_Members)
_TEXT: Final = Decoder(str)
_NUMBER: Final = Decoder(int)
_ITEMS: Final = Decoder(list[Raw])
_NOTES: Final = Decoder(Notes)
_DESCRIPTOR: Final = Decoder(_Descriptor, dec_hook=read_digest)
_ONLY_DIGEST: Final = Decoder(_OnlyDigest, dec_hook=read_digest)

#: An escape; one half of a surrogate pair without the other is a group.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
#: Nothing that is read lies deeper: a document, its list, a descriptor, its platform, and some more.
_DEPTH: Final = 8
#: What a media type may look like in a header (RFC 6838, section 4.2).
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\Z")


def take(raw: bytes) -> Document:
    """Read a manifest that is being pushed.

    Raises:
        ManifestInvalid: it is no JSON, or a part of it is of the wrong type.

    """
    try:
        document = _DOCUMENT.decode(readable(raw))
    except FAULTS as error:
        raise ManifestInvalid(f"the manifest cannot be read: {error}") from error
    return Document(
        schema_version=document.schema_version or 0,
        media_type=document.media_type or "",
        config=_described(document.config),
        layers=_all_described(document.layers),
        manifests=_all_described(document.manifests),
        blobs=_all_described(document.blobs),
        subject=_described(document.subject),
        artifact_type=document.artifact_type,
        annotations=_noted(document.annotations),
    )


def read(raw: bytes) -> Document:
    """Read a manifest that is stored, whatever it holds: what is of the wrong type counts as missing."""
    members = _members(raw)
    if members is None:
        return Document()
    return Document(
        schema_version=_member(members.schema_version, _NUMBER) or 0,
        media_type=_member(members.media_type, _TEXT) or "",
        config=_descriptor(members.config),
        layers=_descriptors(members.layers),
        manifests=_descriptors(members.manifests),
        blobs=_descriptors(members.blobs),
        subject=_descriptor(members.subject),
        artifact_type=_member(members.artifact_type, _TEXT),
        annotations=_noted(_member(members.annotations, _NOTES)),
    )


def media_type(raw: bytes) -> str:
    """Say what a stored manifest is: by its own word or, where it says nothing that a header can hold, by its parts."""
    members = _members(raw)
    if members is None:
        return media.OCTET_STREAM
    stated = _member(members.media_type, _TEXT)
    if stated is not None and _MEDIA_TYPE.match(stated):
        return stated
    if _member(members.schema_version, _NUMBER) == 1:
        return media.SCHEMA_1_SIGNED if b'"signatures"' in raw else media.SCHEMA_1
    is_image = bytes(members.config) != b"null" or bytes(members.layers) != b"null"
    return media.OCI_MANIFEST if is_image and bytes(members.manifests) == b"null" else media.OCI_INDEX


def readable(raw: bytes) -> bytes:
    """Put U+FFFD in place of what is no text, as Go's decoder does."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        raw = raw.decode(errors="replace").encode()
    if b"\\ud" in raw or b"\\uD" in raw:
        raw = _ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], raw)
    return raw


def _members(raw: bytes) -> _Members | None:
    """Part a document into its members. None if it is no JSON object."""
    raw = readable(raw)
    try:
        return _MEMBERS.decode(raw)
    except RecursionError:
        return _member(Raw(_shallow(raw)), _MEMBERS)
    except FAULTS:
        return None


def _shallow(raw: bytes) -> bytes:
    """Put null in place of all that is nested more deeply than what is read."""
    kept, depth, start = [], 0, 0
    for token in _TOKEN.finditer(raw):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == _DEPTH:
                    kept += [raw[start : token.start()], b"null"]
            case b"]" | b"}":
                if depth == _DEPTH:
                    start = token.end()
                depth -= 1
    return b"".join((*kept, raw[start:]))


def _member(raw: Raw, decoder: "Decoder[T]") -> "T | None":
    """Read a member; None if it is missing or of another type."""
    try:
        return decoder.decode(raw)
    except FAULTS:
        return None


def _descriptor(raw: Raw) -> Descriptor | None:
    """Read a descriptor; one that is wrong in parts still names what is not to be lost."""
    found = _member(raw, _DESCRIPTOR)
    if found is None:
        bare = _member(raw, _ONLY_DIGEST)
        return None if bare is None else Descriptor(digest=bare.digest, size=0)
    return _described(found)


def _descriptors(raw: Raw) -> tuple[Descriptor, ...] | None:
    items = _member(raw, _ITEMS)
    return None if items is None else tuple(filter(None, map(_descriptor, items)))


def _described(found: _Descriptor | None) -> Descriptor | None:
    if found is None:
        return None
    return Descriptor(
        media_type=found.media_type or "",
        digest=found.digest,
        size=max(found.size or 0, 0),
        urls=tuple(url or "" for url in found.urls) if found.urls else None,
        annotations=_noted(found.annotations),
        platform=_placed(found.platform),
        artifact_type=found.artifact_type,
    )


def _placed(found: _Platform | None) -> Platform | None:
    if found is None:
        return None
    return Platform(architecture=found.architecture or "", os=found.os or "", variant=found.variant)


def _all_described(found: list[_Descriptor] | None) -> tuple[Descriptor, ...] | None:
    return None if found is None else tuple(filter(None, map(_described, found)))


def _noted(notes: Notes | None) -> dict[str, str] | None:
    return None if notes is None else {key: value or "" for key, value in notes.items()}
