"""Faults on the wire: one function renders them all, by the table in ``storage.oci.wire``."""

import math
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from auth.errors import AuthError, TooManyFailures
from registry.http.responses import JSON, document
from storage.errors import StorageError, StorageFull
from storage.oci import wire
from storage.oci.errors import (
    InsufficientStorage,
    RangeInvalid,
    RegistryError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

#: How long a client is asked to wait before it tries again, in seconds.
_RETRY_AFTER: Final = "5"


class RangeRefused(RangeInvalid):
    """A range that cannot be had, with the headers that tell the client what can."""

    def __init__(self, message: str, headers: "Mapping[str, str]") -> None:
        super().__init__(message)
        self.headers = headers


class Challenged(Unauthorized):
    """Credentials are missing or do not suffice; the header says which are asked for (RFC 9110, section 11.6.1)."""

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message)
        self.headers: Mapping[str, str] = {hdrs.WWW_AUTHENTICATE: challenge}


class SlowedDown(TooManyRequests):
    """Too many wrong passwords come in; the header says for how many seconds to wait."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.headers: Mapping[str, str] = {hdrs.RETRY_AFTER: str(max(1, math.ceil(seconds)))}


def render(fault: RegistryError) -> "web.Response":
    """Write a fault as a response (distribution-spec, "Error Codes")."""
    row = next(wire.ROWS[kind] for kind in type(fault).__mro__ if kind in wire.ROWS)
    return document(wire.encode_error(row, str(fault), fault.detail), JSON, _headers(fault), row.status)


def render_internal() -> "web.Response":
    """Write a fault of ours; it says nothing of its cause, which is in the log."""
    return document(wire.encode_error(wire.INTERNAL), JSON, status=wire.INTERNAL.status)


def from_storage(error: StorageError) -> RegistryError:
    """Tell a client of a fault of the storage without telling it where and how things are stored."""
    if isinstance(error, StorageFull):
        return InsufficientStorage()
    return Unavailable()


def from_auth(error: AuthError) -> RegistryError:
    """Tell a client of a fault of what credentials are checked against, and not what that is."""
    if isinstance(error, TooManyFailures):
        return SlowedDown(str(error), error.retry_after)
    return Unavailable()


def _headers(fault: RegistryError) -> "Mapping[str, str]":
    if isinstance(fault, RangeRefused | Challenged | SlowedDown):
        return fault.headers
    if isinstance(fault, Unsupported):
        return {hdrs.ALLOW: ", ".join(fault.allow)}
    if isinstance(fault, Unavailable | TooManyRequests):
        return {hdrs.RETRY_AFTER: _RETRY_AFTER}
    return {}
