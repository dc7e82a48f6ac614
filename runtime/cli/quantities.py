"""Amounts as people write them: sizes of memory, parts of processors, and plain numbers within bounds."""

from __future__ import annotations

import re

from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_SIZE: Final = re.compile(r"(\d+)(?:\.(\d+))? ?(?:([kmgtp])i?)?b?", re.ASCII | re.IGNORECASE)
_CPUS: Final = re.compile(r"(\d*)(?:\.(\d{0,9}))?", re.ASCII)
_UNITS: Final = " kmgtp"


def read_size(option: str, text: str) -> int:
    """Read a size such as ``64m`` or ``1.5g``, in bytes; units are powers of 1024, with Docker's letters.

    Raises UsageError.
    """
    found = _SIZE.fullmatch(text)
    if found is None or len(text) > 24:
        raise UsageError(f"{option} {text}: a size is a number with b, k, m or g behind it, such as 512m")
    whole, fraction, unit = found.groups()
    factor = 1 << 10 * _UNITS.index((unit or " ").lower())
    part = int(fraction or 0) * factor // int("1".ljust(len(fraction or "") + 1, "0"))
    return int(whole) * factor + part


def read_cpus(option: str, text: str) -> int:
    """Read a number of processors such as ``1.5``, in billionths. Raises UsageError."""
    found = _CPUS.fullmatch(text)
    if found is None or not text.strip(".") or len(text) > 20:
        raise UsageError(f"{option} {text}: a number of processors is such as 0.5 or 2")
    whole, fraction = found.groups()
    return int(whole or 0) * 10**9 + int((fraction or "").ljust(9, "0"))


def read_number(option: str, text: str, least: int, most: int = 2**63 - 1) -> int:
    """Read a whole number within bounds. Raises UsageError."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 19 or not least <= int(text) <= most:
        bounds = f"from {least} to {most}" if most < 2**62 else f"not below {least}"
        raise UsageError(f"{option} {text}: it is a whole number {bounds}")
    return int(text)
