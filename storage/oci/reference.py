"""Repository names, tags, and the image references people type."""

import re
from typing import Final, NamedTuple, NewType

from storage.oci.digest import Digest
from storage.oci.errors import NameInvalid, TagInvalid
from storage.oci.shorthand import DEFAULT_REGISTRY, complete

#: A repository name that satisfies the grammar: made by ``parse_name`` only.
Name = NewType("Name", str)
#: A tag that satisfies the grammar: made by ``parse_tag`` only.
Tag = NewType("Tag", str)

#: Clients count the registry's host into the same limit, so a longer name could not be pulled.
NAME_LIMIT: Final = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_HOST: Final = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::[0-9]{1,5})?\Z")


def parse_name(text: str) -> Name:
    """Check a repository name (distribution-spec, "Pulling manifests").

    Raises:
        NameInvalid: it does not satisfy the grammar or is longer than ``NAME_LIMIT``.

    """
    if len(text) > NAME_LIMIT or _NAME.match(text) is None:
        raise NameInvalid(
            "a repository name is lower-case letters and digits, joined by single '.', '_', '__', '-' or '/',"
            f" {NAME_LIMIT} characters at most",
            text[:NAME_LIMIT],
        )
    return Name(text)


def parse_tag(text: str) -> Tag:
    """Check a tag (distribution-spec, "Pulling manifests").

    Raises:
        TagInvalid: it does not satisfy the grammar.

    """
    if _TAG.match(text) is None:
        raise TagInvalid(
            "a tag is 1 to 128 letters, digits, '_', '.' or '-', and begins with none of the last two",
            text[:200],
        )
    return Tag(text)


def parse_tag_or_digest(text: str) -> Tag | Digest:
    """Check what follows ``/manifests/``: text with a colon is a digest and nothing else.

    Raises:
        DigestInvalid: there is a colon, and it is no digest.
        TagInvalid: there is none, and it is no tag.

    """
    return Digest(text) if ":" in text else parse_tag(text)


class Reference(NamedTuple):
    """An image as people name it: ``[HOST[:PORT]/]NAME[:TAG][@DIGEST]``.

    ``registry`` is the host as typed, or ``docker.io``. Where both a tag and a digest are given the digest decides.
    """

    registry: str
    name: Name
    tag: Tag | None
    digest: Digest | None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read a reference as Docker does: no host means Docker Hub, no tag and no digest means ``latest``.

        Raises:
            NameInvalid, TagInvalid, DigestInvalid: that part of the text is malformed.

        """
        registry, name, tag, digest = complete(text)
        if _HOST.match(registry) is None:
            raise NameInvalid("not a registry host", registry[:NAME_LIMIT])
        return cls(
            registry,
            parse_name(name),
            None if tag is None else parse_tag(tag),
            None if digest is None else Digest(digest),
        )

    @property
    def target(self) -> Tag | Digest:
        """What to ask the registry for."""
        if self.digest is not None:
            return self.digest
        return self.tag if self.tag is not None else Tag("latest")

    @property
    def decisive(self) -> "Reference":
        """The same without what does not decide: a tag beside a digest."""
        return self if self.digest is None else self._replace(tag=None)

    @property
    def familiar_name(self) -> str:
        """Registry and name as Docker shows them: without what it adds to what people type."""
        first, _, rest = self.name.partition("/")
        # What would be read as a host stays behind one.
        if self.registry != DEFAULT_REGISTRY or "." in first or (rest and first == "localhost"):
            return f"{self.registry}/{self.name}"
        return rest if first == "library" and "/" not in rest else self.name

    @property
    def familiar(self) -> str:
        """The whole reference as Docker shows it; ``parse`` reads it back to an equal one."""
        return f"{self.familiar_name}{self._suffix}"

    @property
    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return f"{tag}@{self.digest}" if self.digest is not None else tag

    def __str__(self) -> str:
        """Give the full form, which ``parse`` reads back to an equal reference."""
        return f"{self.registry}/{self.name}{self._suffix}"
