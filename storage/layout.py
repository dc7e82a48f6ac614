"""The tree of keys that ``registry:2`` made, drawn, built and parsed; no other file knows it.

::

    docker/registry/v2/
      blobs/<algorithm>/<first two hex digits>/<hex>/data         the bytes of a blob or a manifest
      repositories/<name>/
        _layers/<algorithm>/<hex>/link                            the repository holds this blob
        _manifests/revisions/<algorithm>/<hex>/link               the repository holds this manifest
        _manifests/tags/<tag>/current/link                        what the tag points to
        _manifests/tags/<tag>/index/<algorithm>/<hex>/link        what it pointed to; registry:2 writes it, we do not
        _uploads/<id>/data                                        the name of an upload session
        _referrers/<subject's algorithm>/<hex>/<algorithm>/<hex>  ours: the descriptor of a manifest with that subject

A link's content is the digest as text, without a newline. ``registry:2`` passes over names it does not know that begin
with an underscore, so ``_referrers`` does not disturb it.
"""

from typing import Final

import msgspec

from storage.oci.digest import Digest
from storage.oci.errors import RegistryError
from storage.oci.reference import Name, Tag, parse_name, parse_tag

_ROOT: Final = "docker/registry/v2/"
_BLOBS: Final = _ROOT + "blobs/"
REPOSITORIES: Final = _ROOT + "repositories/"


class BlobData(msgspec.Struct, frozen=True):
    """The bytes of a blob or a manifest, shared by all repositories."""

    digest: Digest

    @property
    def key(self) -> str:
        digest = self.digest
        return f"{_BLOBS}{digest.algorithm}/{digest[7:9]}/{digest.hex}/data"


class LayerLink(msgspec.Struct, frozen=True):
    """The mark that a repository holds a blob."""

    name: Name
    digest: Digest

    @property
    def key(self) -> str:
        return f"{layers(self.name)}{self.digest.algorithm}/{self.digest.hex}/link"


class RevisionLink(msgspec.Struct, frozen=True):
    """The mark that a repository holds a manifest."""

    name: Name
    digest: Digest

    @property
    def key(self) -> str:
        return f"{revisions(self.name)}{self.digest.algorithm}/{self.digest.hex}/link"


class TagLink(msgspec.Struct, frozen=True):
    """What a tag points to."""

    name: Name
    tag: Tag

    @property
    def key(self) -> str:
        return f"{tag(self.name, self.tag)}current/link"


class TagHistoryLink(msgspec.Struct, frozen=True):
    """A manifest that a tag pointed to at some time."""

    name: Name
    tag: Tag
    digest: Digest

    @property
    def key(self) -> str:
        return f"{tag(self.name, self.tag)}index/{self.digest.algorithm}/{self.digest.hex}/link"


class UploadData(msgspec.Struct, frozen=True):
    """The name of an upload session."""

    name: Name
    id: str

    @property
    def key(self) -> str:
        return f"{REPOSITORIES}{self.name}/_uploads/{self.id}/data"


class ReferrerDescriptor(msgspec.Struct, frozen=True):
    """The descriptor of a manifest that has a subject."""

    name: Name
    subject: Digest
    digest: Digest

    @property
    def key(self) -> str:
        prefix = referrers(self.name, self.subject)
        return f"{prefix}{self.digest.algorithm}/{self.digest.hex}"


Entry = BlobData | LayerLink | RevisionLink | TagLink | TagHistoryLink | UploadData | ReferrerDescriptor


def layers(name: Name) -> str:
    """Give the prefix of a repository's links to blobs."""
    return f"{REPOSITORIES}{name}/_layers/"


def revisions(name: Name) -> str:
    """Give the prefix of a repository's revision links."""
    return f"{REPOSITORIES}{name}/_manifests/revisions/"


def tags(name: Name) -> str:
    """Give the prefix below which each child is a tag."""
    return f"{REPOSITORIES}{name}/_manifests/tags/"


def tag(name: Name, name_of_tag: Tag) -> str:
    """Give the prefix of everything that belongs to one tag."""
    return f"{tags(name)}{name_of_tag}/"


def referrers(name: Name, subject: Digest) -> str:
    """Give the prefix of the descriptors of manifests with that subject."""
    return f"{REPOSITORIES}{name}/_referrers/{subject.algorithm}/{subject.hex}/"


def parse(key: str) -> Entry | None:
    """Tell what lies at a key; None for whatever this layout does not know."""
    try:
        if key.startswith(_BLOBS):
            return _parse_blob(key[len(_BLOBS) :].split("/"))
        if key.startswith(REPOSITORIES):
            return _parse_repository(key[len(REPOSITORIES) :].split("/"))
    except RegistryError:
        return None
    return None


def _parse_blob(parts: list[str]) -> Entry | None:
    match parts:
        case [algorithm, two, digits, "data"] if digits.startswith(two) and len(two) == 2:
            return BlobData(Digest(f"{algorithm}:{digits}"))
    return None


def _parse_repository(parts: list[str]) -> Entry | None:
    area = next((i for i, part in enumerate(parts) if part.startswith("_")), 0)
    if area == 0:
        return None
    name = parse_name("/".join(parts[:area]))
    match parts[area:]:
        case ["_layers", algorithm, digits, "link"]:
            return LayerLink(name, Digest(f"{algorithm}:{digits}"))
        case ["_manifests", "revisions", algorithm, digits, "link"]:
            return RevisionLink(name, Digest(f"{algorithm}:{digits}"))
        case ["_manifests", "tags", text, "current", "link"]:
            return TagLink(name, parse_tag(text))
        case ["_manifests", "tags", text, "index", algorithm, digits, "link"]:
            return TagHistoryLink(name, parse_tag(text), Digest(f"{algorithm}:{digits}"))
        case ["_uploads", session, "data"]:
            return UploadData(name, session)
        case ["_referrers", subject_algorithm, subject, algorithm, digits]:
            return ReferrerDescriptor(name, Digest(f"{subject_algorithm}:{subject}"), Digest(f"{algorithm}:{digits}"))
    return None
