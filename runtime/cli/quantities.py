"""Amounts as people write them: sizes of memory, parts of processors, and plain numbers within bounds."""

from __future__ import annotations

from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: How much a unit is, whose letter may have an i behind it.
_UNITS: Final = {"": 1} | {f"{u}{i}": 1 << 10 * power for power, u in enumerate("kmgtp", start=1) for i in ("", "i")}


def read_size(option: str, text: str) -> int:
    """Read a size such as ``64m`` or ``1.5g``, in bytes; units are powers of 1024, with Docker's letters.

    Raises UsageError.
    """
    number = text.lower().rstrip("kmgtpib")
    unit = text.lower().removeprefix(number).removesuffix("b")
    whole, point, fraction = number.removesuffix(" ").partition(".")
    factor = _UNITS.get(unit)
    if factor is None or len(text) > 24 or not is_digits(whole) or (point and not is_digits(fraction)):
        raise UsageError(f"{option} {text}: a size is a number with b, k, m or g behind it, such as 512m")
    return int(whole + fraction) * factor // int(10 ** len(fraction))


def read_cpus(option: str, text: str) -> int:
    """Read a number of processors such as ``1.5``, in billionths. Raises UsageError."""
    whole, _, fraction = text.partition(".")
    if not is_digits(whole + fraction) or len(fraction) > 9 or len(text) > 20:
        raise UsageError(f"{option} {text}: a number of processors is such as 0.5 or 2")
    return int(whole or 0) * 10**9 + int(fraction.ljust(9, "0"))


def read_number(option: str, text: str, least: int, most: int = 2**63 - 1) -> int:
    """Read a whole number within bounds. Raises UsageError."""
    digits = text.removeprefix("-")
    if not is_digits(digits) or len(digits) > 19 or not least <= int(text) <= most:
        bounds = f"from {least} to {most}" if most < 2**62 else f"not below {least}"
        raise UsageError(f"{option} {text}: it is a whole number {bounds}")
    return int(text)


def is_digits(text: str) -> bool:
    """Tell whether a text is one digit or more."""
    return text.isascii() and text.isdecimal()
