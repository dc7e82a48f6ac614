"""The error table, held to the distribution specification."""

import inspect
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.oci import errors, wire
from storage.oci.errors import RegistryError

FAULTS = [
    fault
    for _, fault in inspect.getmembers(errors, inspect.isclass)
    if issubclass(fault, RegistryError) and fault is not RegistryError
]
# Distribution-spec, "Error Codes" (code-1 to code-14), with the statuses its end-points name.
SPECIFIED = {
    "BLOB_UNKNOWN": {404},
    "BLOB_UPLOAD_UNKNOWN": {404},
    "DIGEST_INVALID": {400},
    "MANIFEST_BLOB_UNKNOWN": {404},
    "MANIFEST_INVALID": {400, 413},
    "MANIFEST_UNKNOWN": {404},
    "NAME_INVALID": {400},
    "NAME_UNKNOWN": {404},
    "SIZE_INVALID": {400, 413},
    "UNAUTHORIZED": {401},
    "DENIED": {403},
    "UNSUPPORTED": {400, 404, 405, 414, 431},
    "TOOMANYREQUESTS": {429},
}
# Those of Docker's registry, which its clients know.
CUSTOMARY = {
    "TAG_INVALID": {400},
    "RANGE_INVALID": {416},
    "PAGINATION_NUMBER_INVALID": {400},
    "UNAVAILABLE": {408, 503, 507},
}


def test_every_fault_has_its_row() -> None:
    assert set(wire.ROWS) == set(FAULTS)


def test_every_code_and_status_is_one_that_clients_know() -> None:
    seen: dict[str, set[int]] = {}
    for row in wire.ROWS.values():
        seen.setdefault(row.code, set()).add(row.status)
    assert seen == {**SPECIFIED, **CUSTOMARY}
    assert (wire.INTERNAL.status, wire.INTERNAL.code) == (500, "UNKNOWN")


@pytest.mark.parametrize("row", [*wire.ROWS.values(), wire.INTERNAL], ids=lambda row: f"{row.status}-{row.code}")
def test_a_body_has_the_form_of_the_specification(row: wire.Row) -> None:
    (error,) = json.loads(wire.encode_error(row))["errors"]
    assert error == {"code": row.code, "message": row.message}
    assert re.fullmatch("[A-Z_]+", row.code)
    assert row.message


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_server_says_is_what_the_client_raises(fault: type[RegistryError]) -> None:
    row = wire.ROWS[fault]
    raised = wire.decode_error(row.status, wire.encode_error(row, "what happened", {"digest": "d"}))
    assert wire.ROWS[type(raised)].code == row.code
    assert str(raised) == "what happened"
    # Where classes share a code the more general one is raised.
    shared = [other for other in FAULTS if wire.ROWS[other].code == row.code]
    assert type(raised) is (fault if len(shared) == 1 else type(raised))
    assert issubclass(type(raised), RegistryError)


def test_faults_that_share_a_code_are_told_apart_by_status() -> None:
    assert type(wire.decode_error(405, wire.encode_error(wire.ROWS[errors.Unsupported]))) is errors.Unsupported
    too_large = wire.ROWS[errors.ManifestTooLarge]
    assert type(wire.decode_error(413, wire.encode_error(too_large))) in (
        errors.ManifestTooLarge,
        errors.ManifestInvalid,
    )
    full = wire.ROWS[errors.InsufficientStorage]
    assert type(wire.decode_error(507, wire.encode_error(full))) in (errors.InsufficientStorage, errors.Unavailable)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, errors.Unauthorized),
        (403, errors.Denied),
        (405, errors.Unsupported),
        (413, errors.ManifestTooLarge),
        (416, errors.RangeInvalid),
        (429, errors.TooManyRequests),
        (400, errors.RequestInvalid),
        (500, errors.Unavailable),
        (502, errors.Unavailable),
        (599, errors.Unavailable),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b'{"errors": []}', b'{"errors": null}', b"\xff", b"[" * 100_000]
)
def test_without_a_body_the_status_speaks(status: int, fault: type[RegistryError], body: bytes) -> None:
    raised = wire.decode_error(status, body)
    assert type(raised) is fault
    assert str(status) in str(raised)


@given(st.integers(100, 599), st.binary(max_size=80) | st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_any_body_becomes_a_fault(status: int, body: bytes | dict[str, str]) -> None:
    raw = body if isinstance(body, bytes) else json.dumps({"errors": [body]}).encode()
    assert isinstance(wire.decode_error(status, raw), RegistryError)


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_message_and_detail_can_be_written(message: str, detail: str) -> None:
    """Details quote the request, and what a request holds may be anything."""
    (error,) = json.loads(wire.encode_error(wire.INTERNAL, message, {"path": detail}))["errors"]
    assert error == {"code": "UNKNOWN", "message": message or wire.INTERNAL.message, "detail": {"path": detail}}
