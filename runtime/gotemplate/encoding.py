"""Values as Go writes them in JSON."""

from __future__ import annotations

from runtime.gotemplate.values import Moment, Nil, Struct
from runtime.lean import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def encode(value: Any) -> str:
    """Write a value as JSON: the keys of maps in order, those of records as they come."""
    text = to_json(_plain(value), as_is=True)
    if not text.isascii():
        text = "".join("\\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return escape_html(text) if isinstance(value, Struct) and value.escaped else text


def escape_html(text: str) -> str:
    """Write JSON so that a page shows it as it is; what is replaced is in its texts alone."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        fields = value.fields().items()
        return value.source if value.source is not None else {name: _plain(item) for name, item in fields}
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Nil):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value.json if isinstance(value, Moment) else value
