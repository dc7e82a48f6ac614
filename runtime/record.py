"""Records: named tuples, as JSON has them and as files, published by a rename.

msgspec does the same for the registry. A start of a container cannot wait for it to be imported.
"""

from __future__ import annotations

import os

from runtime.errors import UsageError
from runtime.lean import from_json, suppress, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, TypeVar

    from runtime.lean import NamedTuple

    #: A named tuple.
    R = TypeVar("R", bound=tuple[Any, ...])

_ENCODING: Final = "utf-8"
_UNION: Final[Any] = type(int | None)


def read_record(kind: type[R], path: str) -> R:
    """Read a record. What a later preg may have written into it is left out. Raises ValueError if it is none."""
    with open(path, encoding=_ENCODING) as file:
        values: dict[str, Any] = from_json(file.read())
    try:
        return kind(**{name: value for name, value in values.items() if name in kind.__annotations__})
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{path} is no {kind.__name__}") from error


def write_record(path: str, record: NamedTuple, *, durable: bool) -> None:
    """Write a record, whole or not at all."""
    # Named after the writer: two processes may write it at once.
    new = f"{path}.{os.getpid()}"
    try:
        write_text(new, to_json(record._asdict()), durable=durable)
        os.rename(new, path)
    except OSError:
        with suppress(OSError):
            os.unlink(new)
        raise


def overwrite_record(path: str, record: NamedTuple) -> None:
    """Write a record over an older one, which a full disk has the room for. Raises OSError.

    Who reads it meanwhile, or after the power was cut, may find neither of the two.
    """
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        # Not made shorter: behind the end of JSON may be spaces.
        os.pwrite(file, to_json(record._asdict()).encode().ljust(os.fstat(file).st_size), 0)
    finally:
        os.close(file)


def write_text(path: str, text: str, *, durable: bool = False) -> None:
    """Write a file. Raises OSError, which says what file it is about."""
    try:
        with open(path, "w", encoding=_ENCODING) as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        error.filename = path
        raise


def encode(value: object) -> bytes:
    """Write as JSON. Raises UsageError for a word that is no text: what a command line holds may be any bytes."""
    text = to_json(value, as_is=True)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        word = text[: error.start].rpartition('"')[2] + text[error.start :].partition('"')[0]
        raise UsageError(f"{word[:200]!r} is no UTF-8 text, and nothing else can be told to a container") from error


def read(kind: type[R], values: object) -> R:
    """Make a record of the values of an object, which may be hostile. Raises ValueError, which says where.

    The fields' types have to be there when the program runs: a record's module does not name them by strings.
    Null is as good as absent, or as what is empty where a list or an object holds it; so Go reads it, in which most
    of those programs are written that write such objects. What is unknown is left out. A record whose fields have other
    names in the object has a ``json_name``.
    """
    if not isinstance(values, dict):
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
    if type(value) is hint:  # as most are
        return _whole(value) if hint is str else value
    if isinstance(hint, _UNION):  # X | None
        hint = hint.__args__[0]
    origin = getattr(hint, "__origin__", hint)
    if hasattr(hint, "_fields"):
        return read(hint, value)
    if hint is object:
        return value
    if origin in (tuple, list) and isinstance(value, list):
        return origin(_read_item(hint.__args__[0], each) for each in value)
    if origin is dict and isinstance(value, dict):
        return {name: _read_item(hint.__args__[1], each) for name, each in value.items()}
    if hint is float and isinstance(value, int):
        return float(value)
    if issubclass(origin, str) and isinstance(value, str):
        return hint(_whole(value))
    if origin in (int, float, bool) and type(value) is origin:
        return value
    raise ValueError(f"expected {_in_words(origin)}, got {_in_words(type(value))}")


def _read_item(hint: Any, value: Any) -> Any:
    """Read what a list or an object holds. Raises ValueError, also where null stands for what cannot be empty."""
    if value is not None:
        return _read(hint, value)
    if hint is object or isinstance(hint, _UNION):
        return None
    if hasattr(hint, "_fields"):
        return read(hint, {})
    origin = getattr(hint, "__origin__", hint)
    if origin not in (str, int, float, bool, tuple, list, dict):
        raise ValueError(f"expected {_in_words(origin)}, got null")
    return origin()


def _in_words(kind: type) -> str:
    """Name a type as JSON does."""
    names = {str: "a string", bool: "true or false", int: "a number", float: "a number", dict: "an object"}
    names |= {list: "a list", tuple: "a list", type(None): "null"}
    return next((name for each, name in names.items() if issubclass(kind, each)), kind.__name__)


def _whole(text: str) -> str:
    """Give a text, unless it has half a character. Raises ValueError."""
    text.encode()
    return text
