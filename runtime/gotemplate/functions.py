"""The functions that every template of Go's has."""

from __future__ import annotations

from runtime.gotemplate.execution import CallError
from runtime.gotemplate.values import (
    ANY,
    STRING,
    VALUE,
    Function,
    Map,
    Nil,
    Unsigned,
    is_nil,
    is_true,
    kind_of,
    type_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_BASIC: Final = {"bool": "bool", "int": "int", "uint8": "int", "float64": "float", "string": "string"}


def _index(item: Any, *indexes: Any) -> Any:
    if item is None:
        raise CallError("index of untyped nil")
    for index in indexes:
        item = _at(item, index)
    return item


def _at(item: Any, index: Any) -> Any:
    kind = kind_of(item)
    if kind in ("ptr", "invalid"):
        raise CallError("index of nil pointer")
    if kind in ("slice", "string"):
        length = _length(item)
        place = _place(index, length)
        if place == length:
            raise CallError(f"reflect: {kind} index out of range")
        return Unsigned(_bytes(item)[place]) if kind == "string" else item[place]
    if kind != "map":
        raise CallError(f"can't index item of type {type_of(item)}")
    if index is None:
        raise CallError("value is nil; should be of type string")
    if not isinstance(index, str):
        raise CallError(f"value has type {type_of(index)}; should be string")
    zero = item.zero if isinstance(item, Map) else None
    return zero if isinstance(item, Nil) else item.get(index, zero)


def _place(index: Any, most: int) -> int:
    if index is None:
        raise CallError("cannot index slice/array with nil")
    if kind_of(index) not in ("int", "uint8"):
        raise CallError(f"cannot index slice/array with type {type_of(index)}")
    if not 0 <= index <= most:
        raise CallError(f"index out of range: {index}")
    return int(index)


def _slice(item: Any, *indexes: Any) -> Any:
    if item is None:
        raise CallError("slice of untyped nil")
    kind = kind_of(item)
    if kind == "ptr":
        raise CallError("slice of nil pointer")
    if len(indexes) > 3:
        raise CallError(f"too many slice indexes: {len(indexes)}")
    if kind not in ("string", "slice"):
        raise CallError(f"can't slice item of type {type_of(item)}")
    if kind == "string" and len(indexes) == 3:
        raise CallError("cannot 3-index slice a string")
    length = _length(item)
    places = [_place(index, length) for index in indexes]
    start, end, limit = *places, *(0, length, length)[len(places) :]
    for first, second in ((start, end), (end, limit)):
        if first > second:
            raise CallError(f"invalid slice index: {first} > {second}")
    if isinstance(item, str):
        from runtime.gotemplate.printing import part_of  # noqa: PLC0415 - few cut texts

        return part_of(item, start, end)
    return item if isinstance(item, Nil) else item[start:end]


def _length(item: Any) -> int:
    if isinstance(item, Nil) and item.kind != "ptr":
        return 0
    if isinstance(item, Nil):
        raise CallError("len of nil pointer")
    if item is None:
        raise CallError("reflect: call of reflect.Value.Type on zero Value")
    if kind_of(item) not in ("map", "slice", "string"):
        raise CallError(f"len of type {type_of(item)}")
    return len(_bytes(item)) if isinstance(item, str) else len(item)


def _bytes(text: str) -> bytes:
    from runtime.gotemplate.quoting import to_bytes  # noqa: PLC0415 - few ask for them

    return to_bytes(text)


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise CallError("missing argument for comparison")
    return any(_are_equal(first, other) for other in others)


def _are_equal(first: Any, second: Any) -> bool:
    kinds = [_BASIC.get(kind_of(value)) for value in (first, second)]
    if kinds[0] != kinds[1]:
        if first is not None and second is not None:
            raise CallError(f"incompatible types for comparison: {type_of(first)} and {type_of(second)}")
        return False
    if kinds[0] is not None:
        return bool(first == second)
    if None not in (first, second) and kind_of(first) != kind_of(second):
        shown = f"{_print_formatted('%s', first)}: {type_of(first)}, {type_of(second)}: {_shown(second)}"
        raise CallError(f"non-comparable types {shown}")
    if is_nil(first) or is_nil(second):
        return is_nil(first) == is_nil(second)
    raise CallError(f"non-comparable type {_print_formatted('%s', second)}: {type_of(second)}")


def _shown(value: Any) -> str:
    from runtime.gotemplate.printing import show  # noqa: PLC0415 - for errors alone

    return show(value)


def _less(first: Any, second: Any) -> bool:
    kinds = [_BASIC.get(kind_of(value)) for value in (first, second)]
    if None in kinds or kinds == ["bool", "bool"]:
        raise CallError("invalid type for comparison")
    if kinds[0] != kinds[1]:
        raise CallError(f"incompatible types for comparison: {type_of(first)} and {type_of(second)}")
    return bool(_bytes(first) < _bytes(second)) if isinstance(first, str) else bool(first < second)


def _at_most(first: Any, second: Any) -> bool:
    return _less(first, second) or _are_equal(first, second)


def _print(*values: Any) -> str:
    from runtime.gotemplate.printing import show_all  # noqa: PLC0415 - most templates print by themselves

    return show_all(values)


def _print_line(*values: Any) -> str:
    return f"{' '.join(map(_shown, values))}\n"


def _print_formatted(text: str, *values: Any) -> str:
    from runtime.gotemplate.printing import show_formatted  # noqa: PLC0415 - as above

    return show_formatted(text, *values)


def _call(function: Any, *_: Any) -> Any:
    if function is None:
        raise CallError("call of nil")
    raise CallError(f"non-function of type {type_of(function)}")


def _escape(name: str) -> Function:
    """Give a function that writes a text for a page, a script or an address."""

    def call(*values: Any) -> str:
        from runtime.gotemplate import escaping  # noqa: PLC0415 - rarely asked for

        text = _print(*("<no value>" if value is None else value for value in values))
        escaped: str = getattr(escaping, name)(text)
        return escaped

    return Function(call, rest=ANY)


BUILTINS: Final = {
    "and": Function(_call, (VALUE,), VALUE),  # never called: evaluated as far as it takes
    "or": Function(_call, (VALUE,), VALUE),
    "not": Function(lambda value: not is_true(value), (VALUE,)),
    "call": Function(_call, (VALUE,), VALUE),
    "html": _escape("for_html"),
    "js": _escape("for_script"),
    "urlquery": _escape("for_query"),
    "index": Function(_index, (VALUE,), VALUE),
    "slice": Function(_slice, (VALUE,), VALUE),
    "len": Function(_length, (VALUE,)),
    "print": Function(_print, rest=ANY),
    "printf": Function(_print_formatted, (STRING,), ANY),
    "println": Function(_print_line, rest=ANY),
    "eq": Function(_equal, (VALUE,), VALUE),
    "ne": Function(lambda first, second: not _are_equal(first, second), (VALUE, VALUE)),
    "lt": Function(_less, (VALUE, VALUE)),
    "le": Function(_at_most, (VALUE, VALUE)),
    "gt": Function(lambda first, second: not _at_most(first, second), (VALUE, VALUE)),
    "ge": Function(lambda first, second: not _less(first, second), (VALUE, VALUE)),
}
