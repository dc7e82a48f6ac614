"""Images as they are listed and chosen from: what is known of each, and the filters."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

from runtime.cli.filters import BOOLEAN, check_times, fits_labels, is_true, passes
from runtime.cli.naming import get_record
from runtime.cli.times import read_time, show_duration
from runtime.errors import Fault, UsageError
from runtime.images import Image, Images
from storage.oci.reference import Reference

if TYPE_CHECKING:
    from storage.oci.digest import Digest

_NEVER: Final = -62135596800.0

Filter = Callable[["Listed"], bool]


class Listed(NamedTuple):
    """An image with all its names."""

    image: Image
    names: tuple[Reference, ...]

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch; long ago if it does not tell."""
        return created_at(self.image)

    @property
    def dangling(self) -> bool:
        """Whether nothing but digests leads to it."""
        return all(name.tag is None for name in self.names)

    @property
    def labels(self) -> dict[str, str]:
        """The labels its configuration gives to containers."""
        return (self.image.config.config.labels if self.image.config.config else None) or {}


def list_images(images: Images, damaged: Callable[[Fault], object] | None = None) -> list[Listed]:
    """Give every image, the newest first. One that is damaged is told to ``damaged``, or raises Fault."""
    names: defaultdict[Digest, list[Reference]] = defaultdict(list)
    for record in images.names():
        names[record.image].append(Reference.parse(record.reference))
    found = []
    for record in images.records():
        try:
            found.append(Listed(images.open(record), tuple(names[record.image])))
        except Fault as fault:
            if damaged is None:
                raise
            damaged(fault)
    return sorted(found, key=lambda listed: (-listed.created, listed.image.id))


def created_at(image: Image) -> float:
    """Say when an image was made, as ``read_created`` does."""
    return read_created(image.config.created)


def read_created(text: str | None) -> float:
    """Read a time from a configuration, in seconds since the epoch; without one, the time where Go's begins."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return _NEVER


def read_filters(texts: Iterable[str], allowed: Iterable[str], images: Images) -> Filter:
    """Read ``KEY=VALUE`` and ``KEY!=VALUE`` as what tells whether an image passes. Raises UsageError."""
    filters: dict[tuple[str, str], Filter] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if key.removesuffix("!") not in allowed or not equals or (key.endswith("!") and key != "label!"):
            raise UsageError(f"--filter {text}: it is KEY=VALUE, and KEY is one of {', '.join(allowed)}")
        filters[key, value] = _read_filter(key, value, images)
    check_times(filters)
    return lambda listed: passes(filters, lambda key, value: filters[key, value](listed))


def matches(reference: Reference, pattern: str) -> bool:
    """Tell whether a name fits a pattern, in which ``*`` and ``?`` stand for no slash, with or without its tag."""
    return any(_fits(name, pattern) for name in (reference.familiar, reference.familiar_name))


def _fits(name: str, pattern: str) -> bool:
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _named(listed: Listed, pattern: str) -> bool:
    return any(matches(name, pattern) for name in listed.names)


def _read_filter(key: str, value: str, images: Images) -> Filter:
    if key == "reference":
        return lambda listed: _named(listed, value)
    if key == "dangling":
        if value not in BOOLEAN:
            raise UsageError(f"--filter dangling={value}: it is {' or '.join(BOOLEAN)}")
        return lambda listed: listed.dangling is is_true(value)
    if key in ("label", "label!"):
        return lambda listed: fits_labels(listed.labels, key, value)
    if key == "until":
        until = read_time(value, "--filter until=")
        return lambda listed: listed.created * 1e9 <= until
    reference = created_at(images.open(get_record(images, value)))
    if key == "before":
        return lambda listed: listed.created < reference
    return lambda listed: listed.created > reference


def show_age(seconds: float) -> str:
    """Say how long ago an image was made, in Docker's words."""
    return "N/A" if seconds == _NEVER else f"{show_duration(time.time() - seconds)} ago"
