"""Numbers as Go reads and writes them."""

from __future__ import annotations

from runtime.gotemplate.quoting import quote, unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_PREFIXES: Final = {"0x": 16, "0o": 8, "0b": 2}


def read_number(text: str) -> tuple[int | None, float]:
    """Give a constant as a whole number, None if it is none, and what it is where no type is asked for.

    Raises ValueError.
    """
    if text.startswith("'"):
        return _read_character(text)
    if text.endswith("i") and not text.lower().startswith("0x"):
        raise ValueError(f"complex numbers are not supported: {quote(text)}")
    whole = _read_whole(text)
    if whole is not None:
        if not _LEAST <= whole <= 2**64 - 1:
            raise ValueError(f"integer overflow: {quote(text)}")
        return whole, whole
    value = _read_float(text)
    if value is None:
        raise ValueError(f"illegal number syntax: {quote(text)}")
    if not set(text) & set(".eEpP"):
        raise ValueError(f"integer overflow: {quote(text)}")
    return int(value) if value == value // 1 and _LEAST <= value <= _MOST else None, value


def _read_character(text: str) -> tuple[int, float]:
    try:
        code = ord(unquote(text))
    except (ValueError, IndexError, TypeError):
        raise ValueError(f"malformed character constant: {text}") from None
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return code, code


def _read_whole(text: str) -> int | None:
    digits = text.lstrip("+-")
    base = _PREFIXES.get(digits[:2].lower(), 10)
    digits = digits[2:] if base != 10 else digits
    if base == 10 and len(digits) > 1 and digits.startswith("0"):
        base, digits = 8, digits[1:].removeprefix("_")
    elif base != 10:
        digits = digits.removeprefix("_")
    elif digits.startswith("_"):
        return None
    try:
        whole = int(digits, base)
    except ValueError:
        return None
    return -whole if text.startswith("-") else whole


def _read_float(text: str) -> float | None:
    if "_" in text and not text.lower().lstrip("+-").startswith("0x"):
        return None  # Go has it in numbers with a prefix alone
    try:
        value = float.fromhex(text) if "x" in text.lower() and "p" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return None
    return None if value in (float("inf"), float("-inf")) else value


def show_float(value: float, *, wide: bool = False) -> str:
    """Write a number as ``%v`` does, or ``%#v``, which is later to write an exponent."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - it is no number
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    if value == 0:
        return f"{value!r}".removesuffix(".0")
    sign, digits, point = _digits(value)
    if -4 <= point - 1 < (21 if wide else 6):
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        return f"{sign}{digits[:point].ljust(point, '0')}{'.' if digits[point:] else ''}{digits[point:]}"
    power = point - 1
    rest = f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{rest}e{'-' if power < 0 else '+'}{abs(power):02}"


def _digits(value: float) -> tuple[str, str, int]:
    """Give the sign, the fewest digits that tell the number, and how many of them are before the point."""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    return ("-" if value < 0 else ""), digits.rstrip("0") or "0", len(whole) - leading + int(exponent or "0")
