"""Text as Go keeps and quotes it: bytes that are UTF-8 as a rule (``strconv.Quote`` and ``Unquote``).

Bytes that are none are kept in ``str`` as Python's ``surrogateescape`` has them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPED: Final = {value: f"\\{name}" for name, value in _ESCAPES.items()}
#: How many digits follow, and to which base.
_CODES: Final = {"x": (2, 16), "u": (4, 16), "U": (8, 16), **dict.fromkeys("01234567", (3, 8))}


def to_bytes(text: str) -> bytes:
    """Give the bytes of a text; half a surrogate of UTF-16, which is no text to Go, is its replacement."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def to_text(raw: bytes) -> str:
    """Give a text of its bytes."""
    return raw.decode("utf-8", "surrogateescape")


def quote(text: str, mark: str = '"', *, ascii_only: bool = False) -> str:
    """Write a text in quotes."""
    return f"{mark}{''.join(_quoted(letter, mark, ascii_only=ascii_only) for letter in text)}{mark}"


def _quoted(letter: str, mark: str, *, ascii_only: bool) -> str:
    code = ord(letter)
    if letter == mark:
        return f"\\{mark}"
    if letter in _ESCAPED:
        return _ESCAPED[letter]
    if letter.isprintable() and (letter.isascii() or not ascii_only):
        return letter
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(text: str) -> str:
    """Read a text in quotes of either kind, or a character. Raises ValueError."""
    mark, inside = text[0], text[1:-1]
    if mark == "`":
        return inside.replace("\r", "")
    if "\\" not in inside:
        return inside
    found, position = bytearray(), 0
    while position < len(inside):
        letter = inside[position]
        position += 1
        if letter != "\\":
            found += to_bytes(letter)
            continue
        name = inside[position]
        position += 1
        if name == mark or name in _ESCAPES:
            found += (_ESCAPES.get(name) or mark).encode()
        elif name in _CODES:
            length, base = _CODES[name]
            start = position - (base == 8)
            found += _coded(inside[start : start + length], name, length, base)
            position = start + length
        else:
            raise ValueError("invalid syntax")
    return to_text(bytes(found))


def _coded(digits: str, name: str, length: int, base: int) -> bytes:
    """Give the bytes of a character that is written by its number."""
    if len(digits) != length or not digits.isalnum() or not digits.isascii():
        raise ValueError("invalid syntax")
    try:
        code = int(digits, base)
    except ValueError:
        raise ValueError("invalid syntax") from None
    if name not in "uU":
        if code > 0xFF:
            raise ValueError("invalid syntax")
        return bytes([code])
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError("invalid syntax")
    return chr(code).encode()
