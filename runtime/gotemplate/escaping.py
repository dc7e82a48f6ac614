"""Texts in pages, scripts and addresses, as Go's templates write them."""

from __future__ import annotations

from runtime.gotemplate.quoting import to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_HTML: Final = str.maketrans(
    {"\0": "\N{REPLACEMENT CHARACTER}", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
_SCRIPT: Final = str.maketrans(
    {"\\": r"\\", "'": r"\'", '"': r"\"", "<": r"\u003C", ">": r"\u003E", "&": r"\u0026", "=": r"\u003D"}
)
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def for_html(text: str) -> str:
    """Write a text for a page."""
    return text.translate(_HTML)


def for_script(text: str) -> str:
    """Write a text for a string of JavaScript."""
    return "".join(_for_script(letter) for letter in text)


def _for_script(letter: str) -> str:
    if letter < " ":
        return f"\\u{ord(letter):04X}"
    return letter.translate(_SCRIPT) if letter.isprintable() else f"\\u{ord(letter):04X}"


def for_query(text: str) -> str:
    """Write a text for the query of an address."""
    return "".join(chr(byte) if byte in _PLAIN else "+" if byte == 0x20 else f"%{byte:02X}" for byte in to_bytes(text))
