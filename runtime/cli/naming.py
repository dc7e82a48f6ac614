"""Images and registries as they are named on a command line."""

from __future__ import annotations

from runtime.errors import NotFound, UsageError
from runtime.platforms import check, read_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.images import Images, Record
    from storage.oci.reference import Reference


def read_reference(text: str) -> Reference:
    """Read an image's name. Raises UsageError."""
    from storage.oci.errors import RegistryError  # noqa: PLC0415 - the rules for names are slow to import
    from storage.oci.reference import Reference  # noqa: PLC0415

    try:
        return Reference.parse(text)
    except RegistryError as error:
        raise UsageError(f"{text[:200]!r} is no name of an image: {error}") from error


def find_record(images: Images, text: str) -> Record | None:
    """Find an image by its name or, as none is called so, by its ID or the beginning of that.

    Raises Fault, and UsageError if there is none because it could not be called so.
    """
    record = images.find_by_name(text) or images.find_by_id(text)
    if record is None:
        read_reference(text)
    return record


def get_record(images: Images, text: str, platforms: Iterable[str] = ()) -> Record:
    """Find an image as ``find_record`` does. Raises Fault if there is none, or it is not for each of the platforms."""
    record = find_record(images, text)
    if record is None:
        raise NotFound(f"there is no image {text} on this host; 'preg images' lists those there are")
    check_platforms(images, record, text, platforms)
    return record


def check_platforms(images: Images, record: Record, text: str, platforms: Iterable[str]) -> None:
    """Raise Fault unless an image is for each of the platforms that were named."""
    for platform in platforms:
        check(images.config(record.image, text).platform, read_platform(platform), text)


def read_registry(text: str) -> str:
    """Read a registry's name, or one of its URLs, which docker takes too. Raises UsageError."""
    from storage.oci.errors import RegistryError  # noqa: PLC0415 - as above
    from storage.oci.reference import Reference  # noqa: PLC0415
    from storage.oci.shorthand import DEFAULT_REGISTRY  # noqa: PLC0415

    host = text.partition("://")[2].partition("/")[0] if "://" in text else text.removesuffix("/")
    if host in ("index.docker.io", "registry-1.docker.io"):
        return DEFAULT_REGISTRY
    try:
        # What is no registry in an image's name is none here.
        known = "/" not in host and Reference.parse(f"{host}/image").registry == host
    except RegistryError:
        known = False
    if not known:
        raise UsageError(f"{text[:200]!r} is no name of a registry, which is HOST:PORT, or HOST with a dot in it")
    return host
