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
        _referrers/<algorithm>/<hex>/                             ours: the manifests that have this subject
          order/<time>.<algorithm>.<hex>                          the descriptor of one, by the time of its first push
          <algorithm>/<hex>                                       the time of its first push

A link's content is the digest as text, without a newline. A time is in microseconds since the epoch, in 16 digits.
``registry:2`` passes over names it does not know that begin with an underscore, so ``_referrers`` does not disturb it.
"""

from typing import Final

import msgspec

from storage.oci.digest import Digest
from storage.oci.errors import RegistryError
from storage.oci.reference import Name, Tag, parse_name, parse_tag

_ROOT: Final = "docker/registry/v2/"
_BLOBS: Final = _ROOT + "blobs/"
#: So many digits has a time.
_TIME: Final = 16
#: Sorts before each descriptor of a referrer, and behind all that a fallback tag can list.
FIRST_REFERRER: Final = f"{1:0<{_TIME}}"
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
    """The descriptor of a manifest that has a subject; ``pushed`` is in microseconds since the epoch."""

    name: Name
    subject: Digest
    pushed: int
    digest: Digest

    @property
    def key(self) -> str:
        prefix = referrers(self.name, self.subject)
        return f"{prefix}{format_time(self.pushed)}.{self.digest.algorithm}.{self.digest.hex}"


class ReferrerMark(msgspec.Struct, frozen=True):
    """When a manifest that has a subject was first pushed."""

    name: Name
    subject: Digest
    digest: Digest

    @property
    def key(self) -> str:
        return f"{_referrers(self.name, self.subject)}{self.digest.algorithm}/{self.digest.hex}"

    def descriptor(self, pushed: int) -> ReferrerDescriptor:
        """Say where the descriptor lies."""
        return ReferrerDescriptor(self.name, self.subject, pushed, self.digest)


Entry = BlobData | LayerLink | RevisionLink | TagLink | TagHistoryLink | UploadData | ReferrerDescriptor | ReferrerMark


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
    return f"{_referrers(name, subject)}order/"


def _referrers(name: Name, subject: Digest) -> str:
    return f"{REPOSITORIES}{name}/_referrers/{subject.algorithm}/{subject.hex}/"


def fallback_place(number: int) -> str:
    """Name the place of what a fallback tag lists, before all that is noted: nobody pushed to this registry in 1970."""
    return format_time(number)


def format_time(pushed: int) -> str:
    """Write a time so that what is later sorts behind it."""
    return f"{pushed:0{_TIME}}"


def parse_time(text: str) -> int | None:
    """Read a time; None if it is none."""
    return int(text) if len(text) == _TIME and text.isascii() and text.isdecimal() else None


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
        case ["_referrers", subject_algorithm, subject, "order", place]:
            return _parse_place(name, Digest(f"{subject_algorithm}:{subject}"), place)
        case ["_referrers", subject_algorithm, subject, algorithm, digits]:
            return ReferrerMark(name, Digest(f"{subject_algorithm}:{subject}"), Digest(f"{algorithm}:{digits}"))
    return None


def _parse_place(name: Name, subject: Digest, place: str) -> Entry | None:
    text, _, digest = place.partition(".")
    pushed = parse_time(text)
    return None if pushed is None else ReferrerDescriptor(name, subject, pushed, Digest(digest.replace(".", ":", 1)))
