"""What the runtime uses of the standard library, without modules that take longer to import than a container to start.

``typing``, ``contextlib``, ``json``, ``signal`` and ``socket`` import ``re``, ``enum``, ``collections`` and
``functools`` between them: 25 ms, each time that somebody runs, lists or enters a container. Their work is done by
parts written in C, which are used here directly, or by a few lines. Type checkers are shown the modules themselves,
and a Python whose private modules are not as expected uses them.
"""

from __future__ import annotations

__all__ = ("NamedTuple", "contextmanager", "from_json", "signal", "suppress", "to_json")

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable
    from contextlib import contextmanager, suppress
    from typing import Any, NamedTuple
else:
    try:
        import _signal as signal
        from _operator import itemgetter
    except ImportError:
        import signal
        from operator import itemgetter

    class suppress:  # noqa: N801 - that of contextlib
        """Goes on behind the block when one of these exceptions is raised in it."""

        def __init__(self, *kinds):
            self._kinds = kinds

        def __enter__(self):
            return None

        def __exit__(self, kind, error, trace):
            return kind is not None and issubclass(kind, self._kinds)

    class _Context:
        """A generator that yields once, as a context."""

        def __init__(self, generator):
            self._generator = generator

        def __enter__(self):
            return next(self._generator)

        def __exit__(self, kind, error, trace):
            if error is None:
                next(self._generator, None)
                return False
            try:
                self._generator.throw(error)
            except StopIteration:
                return True
            except BaseException as raised:
                if raised is not error:
                    raise
            return False

    def contextmanager(function):
        """Make a function whose generators are contexts."""

        def make(*arguments, **named):
            return _Context(function(*arguments, **named))

        make.__doc__, make.__name__, make.__wrapped__ = function.__doc__, function.__name__, function
        return make

    #: What reads the first field of any record, the second, and so on.
    _GETTERS = []

    class NamedTuple(tuple):
        """A named tuple whose fields are the annotations of its class, in their order; that of typing compiles each."""

        _fields = ()

        def __init_subclass__(cls):
            given = vars(cls)
            cls._fields = fields = tuple(cls.__annotations__)
            cls._field_defaults = defaults = {name: given[name] for name in fields if name in given}
            cls._usual = tuple(defaults.values())
            _GETTERS.extend(property(itemgetter(index)) for index in range(len(_GETTERS), len(fields)))
            for name, getter in zip(fields, _GETTERS, strict=False):
                setattr(cls, name, getter)

        def __new__(cls, *values, **named):
            missing = len(cls._fields) - len(values)
            if not named and 0 <= missing <= len(cls._usual):
                return tuple.__new__(cls, values + cls._usual[len(cls._usual) - missing :])
            given = cls._field_defaults | dict(zip(cls._fields, values, strict=False)) | named
            if missing < 0 or named.keys() & cls._fields[: len(values)]:
                raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, each once")
            if given.keys() != cls.__annotations__.keys():
                raise TypeError(
                    f"{cls.__name__}: {', '.join(given.keys() ^ cls._fields)} is no field of it, or missing"
                )
            return tuple.__new__(cls, map(given.__getitem__, cls._fields))

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in zip(self._fields, self, strict=True))})"

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes):
            return type(self)(**{**self._asdict(), **changes})


class _Manner:
    """How JSON is read: as it is defined, so without NaN."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(text: str) -> float:
        """Refuse what is no JSON."""
        raise ValueError(f"{text} is no JSON")


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_scan: Callable[[str, int], tuple[Any, int]]
_encode: Callable[[object, Any], Iterable[str]]
_encode_as_is: Callable[[object, Any], Iterable[str]]
try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

    _scan = make_scanner(_Manner)  # type: ignore[arg-type]  # whatever has these attributes
    _encode = make_encoder({}, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, False)
    _encode_as_is = make_encoder({}, _refuse, encode_basestring, None, ":", ",", False, False, False)
except (AttributeError, ImportError, TypeError):  # the private parts of another Python
    from json import JSONDecoder, JSONEncoder

    _scan = JSONDecoder(parse_constant=_Manner.parse_constant).raw_decode
    _encode = JSONEncoder(allow_nan=False).iterencode
    _encode_as_is = JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).iterencode


def from_json(raw: str | bytes) -> Any:
    """Read JSON (RFC 8259) in UTF-8. Raises ValueError."""
    text = (raw if isinstance(raw, str) else raw.decode()).strip(" \t\r\n")
    try:
        value, end = _scan(text, 0)
    except (StopIteration, ValueError, SystemError):  # the last as long as nobody has imported json's exceptions
        end = -1
    if end == len(text):
        return value
    import json  # noqa: PLC0415 - it tells what is wrong, and where

    return json.loads(text, parse_constant=_Manner.parse_constant)


def to_json(value: object, *, as_is: bool = False) -> str:
    """Write as JSON what consists of the types that it has. Raises TypeError for others, and ValueError for NaN.

    What is not ASCII is escaped, unless it is to be left as it is; then there are no spaces either, as with Docker.
    """
    return "".join((_encode_as_is if as_is else _encode)(value, 0))
