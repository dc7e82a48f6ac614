"""What templates work with: plain values of Python, and what Go has besides.

``None`` is Go's untyped nil, or no value at all. A plain ``dict`` is a map of whatever, a ``list`` of texts is one of
texts to functions that take such.
"""

from __future__ import annotations

from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

#: Types of parameters.
ANY: Final = "interface {}"
VALUE: Final = "reflect.Value"
STRING: Final = "string"
INT: Final = "int"
STRINGS: Final = "[]string"


class Nil:
    """Nothing of a type: a ``map``, a ``slice`` or a ``ptr``."""

    def __init__(self, kind: str, type_name: str) -> None:
        self.kind = kind
        self.type_name = type_name


class Map(dict[str, "Any"]):
    """A map whose values are of one type; ``zero`` is what looking up a key that it lacks gives."""

    zero: Any = ""
    type_name = "map[string]string"


class Struct(dict[str, "Any"]):
    """A record whose fields have names of their own. One that is a ``Function`` is a method."""

    type_name = "struct {}"
    zeros: Mapping[str, Any] = {}
    """What fields are that are not there."""
    source: Any = None
    """What JSON has instead of the fields."""
    escaped = False
    """Whether JSON of it can stand in a page."""

    def fields(self) -> dict[str, Any]:
        """Give what is not a method."""
        return {name: item for name, item in self.items() if not isinstance(item, Function)}


class Moment(NamedTuple):
    """A time: how it is printed, and how JSON has it."""

    text: str
    json: str


class Function(NamedTuple):
    """A function or a method, with the types of its parameters."""

    call: Callable[..., Any]
    parameters: tuple[str, ...] = ()
    rest: str = ""
    """The type of what may follow; empty if nothing may."""


class Unsigned(int):
    """A byte of a text."""


def kind_of(value: object) -> str:
    """Give the kind of a value, in Go's words."""
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    return value.kind if isinstance(value, Nil) else "struct"


_KINDS: Final = (
    (type(None), "invalid"),
    (bool, "bool"),
    (Unsigned, "uint8"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (list, "slice"),
    (Struct, "struct"),
    (dict, "map"),
    (Function, "func"),
)


def type_of(value: Any) -> str:
    """Give the name of a value's type."""
    kind = kind_of(value)
    if kind == "slice" and not isinstance(value, Nil):
        kinds = {kind_of(item) for item in value} or {"string"}
        return f"[]{kinds.pop()}" if kinds in ({"string"}, {"int"}) else "[]interface {}"
    if isinstance(value, Moment):
        return "time.Time"
    if kind in ("map", "struct", "slice", "ptr"):
        return getattr(value, "type_name", "map[string]interface {}")
    return {"invalid": "nil", "func": "func()"}.get(kind, kind)


def is_true(value: Any) -> bool:
    """Tell whether a value is not the zero of its type; records always are."""
    return not isinstance(value, Nil) and (bool(value) or isinstance(value, (Struct, Moment, Function)))


def is_nil(value: object) -> bool:
    """Tell whether a value is nil of whatever type."""
    return value is None or isinstance(value, Nil)
