"""Drivers by the URL of what they keep; other distributions add theirs under the entry-point group ``preg.storage``.

An entry point's name is the URL's scheme, its value a callable that takes the URL and gives a driver.
It needs to import nothing of ours, and proves itself with ``storage.testing.DriverContract``.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from storage.errors import StorageUnavailable
from storage.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.driver import Driver

_GROUP: Final = "preg.storage"
#: Named, not imported: boto3 takes a quarter of a second to load, so it is left to those who use it.
_BUILT_IN: Final = {
    "": ("storage.drivers.folder", "open_folder"),
    "file": ("storage.drivers.folder", "open_folder"),
    "s3": ("storage.drivers.s3", "S3Driver"),
}


def open_driver(url: str) -> Guard:
    """Open the storage that a URL or a path names: a folder, ``s3://BUCKET/PREFIX``, or a plug-in's.

    Raises:
        StorageUnavailable: nothing here keeps such storage, or it cannot be used.

    """
    try:
        return Guard(_factory(urlsplit(url).scheme)(url))
    except OSError as error:
        raise StorageUnavailable(f"{url} cannot be used: {error.strerror or error}") from error


def _factory(scheme: str) -> "Callable[[str], Driver]":
    factory: Callable[[str], Driver]
    if scheme in _BUILT_IN:
        module, name = _BUILT_IN[scheme]
        factory = getattr(import_module(module), name)
        return factory
    for entry_point in entry_points(group=_GROUP, name=scheme):
        factory = entry_point.load()
        return factory
    known = sorted({*_BUILT_IN, *entry_points(group=_GROUP).names} - {""})
    raise StorageUnavailable(
        f"no driver for {scheme}:// URLs: give the path of a folder, or a URL of {', '.join(known)}"
    )
