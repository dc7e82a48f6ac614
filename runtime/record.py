"""Records: named tuples, as JSON has them and as files, published by a rename.

msgspec does the same for the registry. A start of a container cannot wait for it to be imported.
"""

import json
import os
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Final, NamedTuple, TypeVar, get_args, get_origin

_ENCODING: Final = "utf-8"
#: A named tuple. The first type that is named by a string makes Python load its compiler's whole vocabulary.
R = TypeVar("R", bound=tuple[Any, ...])


def read_record(kind: type[R], path: str) -> R:
    """Read a record. What a later preg may have written into it is left out. Raises ValueError if it is none."""
    with open(path, encoding=_ENCODING) as file:
        values: dict[str, Any] = json.load(file)
    try:
        return kind(**{name: value for name, value in values.items() if name in kind.__annotations__})
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{path} is no {kind.__name__}") from error


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


def read(kind: type[R], values: object) -> R:
    """Make a record of the values of an object, which may be hostile. Raises ValueError, which says where.

    Null is as good as absent, and what is unknown is left out. A record whose fields have other names in the object
    has a ``json_name``.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__} is no object")  # noqa: TRY004 - it is what was read that is wrong
    rename: Callable[[str], str] = getattr(kind, "json_name", str)
    found = {}
    for name, hint in kind.__annotations__.items():
        value = values.get(rename(name))
        if value is not None:
            try:
                found[name] = _read(hint, value)
            except ValueError as error:
                raise ValueError(f"{rename(name)}: {error}") from error
    try:
        return kind(**found)
    except TypeError as error:
        raise ValueError(f"{kind.__name__} lacks a field ({error})") from error


def plain(value: Any) -> Any:
    """Give a record, or what it holds, as JSON has it."""
    if hasattr(value, "_fields"):
        return {name: plain(each) for name, each in zip(value._fields, value, strict=True)}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    return value


def _read(hint: Any, value: Any) -> Any:
    if isinstance(hint, UnionType):  # X | None
        hint = get_args(hint)[0]
    origin = get_origin(hint) or hint
    if hasattr(hint, "_fields"):
        return read(hint, value)
    if hint is Any:
        return value
    if origin in (tuple, list) and isinstance(value, list):
        return origin(_read(get_args(hint)[0], each) for each in value)
    if origin is dict and isinstance(value, dict):
        return {name: _read(get_args(hint)[1], each) for name, each in value.items()}
    if hint is float and isinstance(value, int):
        return float(value)
    if issubclass(origin, str) and isinstance(value, str):
        value.encode()  # or it is half a character
        return hint(value)
    if origin in (int, float, bool) and type(value) is origin:
        return value
    raise ValueError(f"expected {origin.__name__}, got {type(value).__name__}")
