"""Small records as files: named tuples as JSON, published by a rename."""

import json
import os
from typing import Any, Final, NamedTuple, TypeVar

_ENCODING: Final = "utf-8"
T = TypeVar("T", bound="NamedTuple")


def read_record(kind: type[T], path: str) -> T:
    """Read a record. What a later preg may have written into it is left out."""
    with open(path, encoding=_ENCODING) as file:
        values: dict[str, Any] = json.load(file)
    known = {name: value for name, value in values.items() if name in kind._fields}
    return kind(**known)  # type: ignore[call-overload, no-any-return]  # of every named tuple alike


def write_record(path: str, record: NamedTuple, *, durable: bool) -> None:
    """Write a record, whole or not at all."""
    # Named after the writer: two processes may write it at once.
    new = f"{path}.{os.getpid()}"
    with open(new, "w", encoding=_ENCODING) as file:
        json.dump(record._asdict(), file)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.rename(new, path)
