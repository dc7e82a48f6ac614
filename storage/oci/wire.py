"""The error codes of the protocol: one row for each class of fault, read by the server and by the client.

Codes are those of the distribution specification ("Error Codes") and, where it has none, those that clients of
Docker's registry know.
"""

from typing import Final, NamedTuple

import msgspec

from storage.oci import errors


class Row(NamedTuple):
    """How a fault looks on the wire. ``message`` stands in where the fault brings none."""

    status: int
    code: str
    message: str


ROWS: Final[dict[type[errors.RegistryError], Row]] = {
    errors.BlobUnknown: Row(404, "BLOB_UNKNOWN", "blob unknown to registry"),
    errors.BlobUploadUnknown: Row(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
    errors.DigestInvalid: Row(400, "DIGEST_INVALID", "the digest did not match the content"),
    errors.ManifestBlobUnknown: Row(
        404, "MANIFEST_BLOB_UNKNOWN", "the manifest refers to content unknown to the repository"
    ),
    errors.ManifestInvalid: Row(400, "MANIFEST_INVALID", "manifest invalid"),
    errors.ManifestTooLarge: Row(413, "MANIFEST_INVALID", "the manifest is too large"),
    errors.ManifestUnknown: Row(404, "MANIFEST_UNKNOWN", "manifest unknown to registry"),
    errors.NameInvalid: Row(400, "NAME_INVALID", "invalid repository name"),
    errors.NameUnknown: Row(404, "NAME_UNKNOWN", "repository name not known to registry"),
    errors.PaginationNumberInvalid: Row(400, "PAGINATION_NUMBER_INVALID", "n is a whole number of zero or more"),
    errors.RangeInvalid: Row(416, "RANGE_INVALID", "invalid range"),
    errors.RequestInvalid: Row(400, "UNSUPPORTED", "the request is malformed"),
    errors.RequestHeaderTooLarge: Row(431, "UNSUPPORTED", "the request's line or a header of it is too long"),
    errors.SizeInvalid: Row(400, "SIZE_INVALID", "the content is not as long as announced"),
    errors.BlobTooLarge: Row(413, "SIZE_INVALID", "the blob is larger than the registry's storage can keep"),
    errors.TagInvalid: Row(400, "TAG_INVALID", "invalid tag"),
    errors.UriTooLong: Row(414, "UNSUPPORTED", "the query is too long"),
    errors.RouteUnknown: Row(404, "UNSUPPORTED", "nothing is served at this path"),
    errors.Unsupported: Row(405, "UNSUPPORTED", "the operation is unsupported"),
    errors.Unauthorized: Row(401, "UNAUTHORIZED", "authentication required"),
    errors.Denied: Row(403, "DENIED", "requested access to the resource is denied"),
    errors.TooManyRequests: Row(429, "TOOMANYREQUESTS", "too many requests"),
    errors.Unavailable: Row(503, "UNAVAILABLE", "the service is unavailable for a moment: try again"),
    errors.InsufficientStorage: Row(507, "UNAVAILABLE", "the registry's storage is full"),
    errors.RequestTimeout: Row(408, "UNAVAILABLE", "the rest of the request did not come"),
}

INTERNAL: Final = Row(500, "UNKNOWN", "an internal error; the server's log has it under this request's id")

_BY_CODE: Final = {row.code: fault for fault, row in reversed(ROWS.items())}


class _Error(msgspec.Struct, omit_defaults=True):
    code: str
    message: str = ""
    detail: object = None


class _Body(msgspec.Struct):
    errors: list[_Error]


def encode_error(row: Row, message: str = "", detail: object = None) -> bytes:
    """Write the JSON body of an error response (distribution-spec, "Error Codes")."""
    return msgspec.json.encode(_Body([_Error(row.code, message or row.message, detail)]), enc_hook=str)


def decode_error(status: int, body: bytes) -> errors.RegistryError:
    """Read a registry's error response as the fault it stands for, be its body malformed or missing."""
    if (told := find_error(status, body)) is not None:
        return told
    # The answer to a HEAD has no body.
    known = {401: errors.Unauthorized, 403: errors.Denied}.get(status)
    said = f": {ROWS[known].message}" if known else ""
    return _by_status(status)(f"HTTP status {status}{said}")


def find_error(status: int, body: bytes) -> errors.RegistryError | None:
    """Read the error that a body tells of in a registry's words, if it does."""
    try:
        first = msgspec.json.decode(body, type=_Body).errors[0]
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError):
        return None
    fault = _BY_CODE.get(first.code) if first.code != "UNSUPPORTED" else None
    return (fault or _by_status(status))(first.message or f"HTTP status {status}")


def _by_status(status: int) -> type[errors.RegistryError]:
    known: dict[int, type[errors.RegistryError]] = {
        401: errors.Unauthorized,
        403: errors.Denied,
        405: errors.Unsupported,
        413: errors.ManifestTooLarge,
        416: errors.RangeInvalid,
        429: errors.TooManyRequests,
    }
    return known.get(status, errors.Unavailable if status >= 500 else errors.RequestInvalid)
