"""Manifests that two clients could read as two images (the class of CVE-2021-41190).

Clients in Go match the names of members in any case, and of several that match the last one counts, in parts even each
of them. Others match exactly, and take the first or the last. So no known member may stand twice in any spelling.
"""

from typing import Final

from msgspec import Raw
from msgspec.json import Decoder

from storage.oci.errors import ManifestInvalid


class _Name(str):
    """The name of a member, equal to none but itself: so all of one name are kept."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


Members = dict[_Name, Raw]
Known = dict[str, str]


def _known(*names: str) -> Known:
    return {name.casefold(): name for name in names}


_OF_DOCUMENTS: Final = _known(
    "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "blobs", "subject", "annotations"
)
_OF_DESCRIPTORS: Final = _known(
    "mediaType", "digest", "size", "urls", "annotations", "data", "platform", "artifactType"
)
_OF_PLATFORMS: Final = _known("architecture", "os", "os.version", "os.features", "variant", "features")

_OBJECT: Final = Decoder(Members | None, dec_hook=lambda _, name: _Name(name))
_OBJECTS: Final = Decoder(list[Members | None] | None, dec_hook=lambda _, name: _Name(name))


def check_names(raw: bytes) -> None:
    """Check the names of all members that the specification knows, in a document that could be decoded.

    Raises:
        ManifestInvalid: one stands there twice, or in another case than the specification's.

    """
    found = _single(_OBJECT.decode(raw), _OF_DOCUMENTS)
    for name in ("config", "subject"):
        if name in found:
            _check_descriptor(_OBJECT.decode(found[name]))
    for name in ("layers", "manifests", "blobs"):
        if name in found:
            for descriptor in _OBJECTS.decode(found[name]) or ():
                _check_descriptor(descriptor)


def _check_descriptor(members: Members | None) -> None:
    found = _single(members, _OF_DESCRIPTORS)
    if "platform" in found:
        _single(_OBJECT.decode(found["platform"]), _OF_PLATFORMS)


def _single(members: Members | None, known: Known) -> dict[str, Raw]:
    """Give the known members of an object."""
    found: dict[str, Raw] = {}
    for name, value in (members or {}).items():
        meant = known.get(name.casefold())
        if meant is None:
            continue
        if meant != str(name):
            raise ManifestInvalid(f"{str(name)!r} could be read as {meant!r}, or passed over")
        if meant in found:
            raise ManifestInvalid(f"{meant!r} stands there twice, and could be read in two ways")
        found[meant] = value
    return found
