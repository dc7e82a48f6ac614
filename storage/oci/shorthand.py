"""Images as people write them: what is left out stands for what Docker puts in its place.

Nothing is checked here, and nothing imported: a container that starts cannot wait for regular expressions. Names that
are to be trusted are read by ``storage.oci.reference``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DEFAULT_REGISTRY: Final = "docker.io"


def complete(text: str) -> tuple[str, str, str | None, str | None]:
    """Give the registry, the name, the tag and the digest that a text means: ``[HOST[:PORT]/]NAME[:TAG][@DIGEST]``.

    No host means Docker Hub, no tag and no digest means ``latest``.
    """
    rest, at, digest = text.partition("@")
    colon = rest.find(":", rest.rfind("/") + 1)
    head, tag = (rest, None) if colon < 0 else (rest[:colon], rest[colon + 1 :])
    if tag is None and not at:
        tag = "latest"
    return *_split_registry(head), tag, digest if at else None


def full_name(registry: str, name: str, tag: str | None, digest: str | None) -> str:
    """Write an image's name with nothing left out."""
    return f"{registry}/{name}{'' if tag is None else f':{tag}'}{'' if digest is None else f'@{digest}'}"


def _split_registry(text: str) -> tuple[str, str]:
    """Part host and name by Docker's rule: a first component with a dot, a colon or ``localhost`` is a host."""
    first, slash, rest = text.partition("/")
    if slash and (first == "localhost" or any(c in first for c in ".:[") or first.lower() != first):
        if first not in (DEFAULT_REGISTRY, "index.docker.io"):
            return first, rest
        text = rest
    return DEFAULT_REGISTRY, text if "/" in text else f"library/{text}"
