"""Whether a store does what is needed of it, found out by doing it once.

An object of the probe's own lies where nobody looks for content, at a key that no other
process uses. What a probe that was killed left there is removed by the next one.
"""

import contextlib
import enum
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from storage.errors import AlreadyExists, PreconditionFailed, StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from storage.driver import ObjectInfo
    from storage.guard import Guard

_FOLDER: Final = "preg/v1/probe/"
_FIRST: Final = b"written by a probe of this storage"
_SECOND: Final = b"written by a probe of this storage, over the first"
#: No probe takes as long, in seconds, though every call is tried again until it times out.
_ABANDONED: Final = 3600.0
#: Clocks that NTP keeps differ by less, in seconds. AWS refuses requests from 900 on.
_SKEW: Final = 60.0
_IGNORED: Final = (
    "the store ignores {header}: two requests that write to one upload at the same moment are not kept apart, and such "
    "an upload may have to begin anew; serve this storage with one process, or from a store that knows conditions"
)


class Outcome(enum.Enum):
    """What a step found."""

    OK = "ok"
    WARNING = "warning"
    """Something is missing that a registry can do without, at a price that the reason names."""
    FAILED = "failed"


class Finding(NamedTuple):
    """How one step went. ``reason`` is empty where all is well; it says what is wrong, and what to do."""

    step: str
    outcome: Outcome = Outcome.OK
    reason: str = ""


async def probe(store: "Guard") -> list[Finding]:
    """Write, read, list and delete an object, look whether conditions are honoured, and compare clocks.

    Faults of the storage are findings. When nothing can be written, that is the only one.
    """
    key = _FOLDER + uuid.uuid4().hex
    try:
        return await _findings(store, key)
    except BaseException:
        with contextlib.suppress(StorageError):
            # If it cannot be done now, it is left to the next probe.
            await store.delete(key)
        raise


async def _findings(store: "Guard", key: str) -> list[Finding]:
    begun = time.time()
    try:
        written = await store.put(key, _FIRST)
    except StorageError as error:
        return [Finding("write", Outcome.FAILED, error.detail)]
    clock = _compare_clocks(written.modified, begun, time.time())
    return [
        Finding("write"),
        await _tried("read", _read(store, key)),
        await _tried("list", _list(store, key)),
        await _tried("conditions", _write_on_conditions(store, written)),
        await _tried("delete", _delete(store, written)),
        clock,
    ]


async def _tried(step: str, doing: "Awaitable[Finding]") -> Finding:
    try:
        return await doing
    except StorageError as error:
        return Finding(step, Outcome.FAILED, error.detail)


async def _read(store: "Guard", key: str) -> Finding:
    if await store.get(key, limit=len(_SECOND)) != _FIRST:
        return Finding("read", Outcome.FAILED, "what was read is not what was written just before")
    return Finding("read")


async def _list(store: "Guard", key: str) -> Finding:
    if key not in [info.key async for info in store.list(_FOLDER)]:
        return Finding("list", Outcome.FAILED, "an object that was written just before is not in the listing")
    return Finding("list")


async def _write_on_conditions(store: "Guard", written: "ObjectInfo") -> Finding:
    with contextlib.suppress(AlreadyExists):
        await store.put(written.key, _SECOND, if_absent=True)
        return Finding("conditions", Outcome.WARNING, _IGNORED.format(header="If-None-Match"))
    await store.put(written.key, _SECOND, if_match=written.etag)
    with contextlib.suppress(PreconditionFailed):
        await store.put(written.key, _FIRST, if_match=written.etag)
        return Finding("conditions", Outcome.WARNING, _IGNORED.format(header="If-Match"))
    return Finding("conditions")


async def _delete(store: "Guard", written: "ObjectInfo") -> Finding:
    """Remove the probe's object, and with it those that others left behind."""
    await store.delete(written.key)
    with contextlib.suppress(StorageError):
        # That a listing fails is the finding of another step.
        present = [info async for info in store.list(_FOLDER)]
        if written.key in [info.key for info in present]:
            return Finding("delete", Outcome.FAILED, "an object is still in the listing after it was deleted")
        for info in present:
            if info.modified < written.modified - _ABANDONED:
                await store.delete(info.key)
    return Finding("delete")


def _compare_clocks(modified: float, begun: float, ended: float) -> Finding:
    """Compare the moment of a write by the store's clock with those before and after it by ours."""
    ahead = begun - modified if modified < begun else min(0.0, ended - modified)
    if abs(ahead) <= _SKEW:
        return Finding("clock")
    direction = "ahead of" if ahead > 0 else "behind"
    reason = f"this host's clock is {abs(ahead):.0f} s {direction} the storage's: set both right, by NTP for example"
    return Finding("clock", Outcome.WARNING, reason)
