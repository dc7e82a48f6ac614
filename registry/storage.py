"""The storage of a registry, opened and found to do what is needed."""

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from storage.errors import StorageUnavailable
from storage.plugins import open_driver
from storage.probe import Outcome, probe

if TYPE_CHECKING:
    from storage.guard import Guard

_LOG: Final = logging.getLogger("preg.storage")


async def open_storage(url: str) -> "Guard":
    """Open the storage that a URL or a path names, and log what it lacks.

    Raises:
        StorageUnavailable: a registry cannot do without what is lacking; the message names all of it.

    """
    store = open_driver(url)
    findings = await probe(store)
    for finding in findings:
        if finding.outcome is Outcome.WARNING:
            _LOG.warning("storage, %s: %s", finding.step, finding.reason)
    failed = [f"{finding.step} failed: {finding.reason}" for finding in findings if finding.outcome is Outcome.FAILED]
    if failed:
        await store.aclose()
        raise StorageUnavailable(f"{shown(url)} cannot be used: {'; '.join(failed)}")
    return store


def shown(url: str) -> str:
    """Write a storage's URL without what may be secret in it: a plug-in's may hold a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl() if parts.scheme else url
