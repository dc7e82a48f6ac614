"""Sizes as people read them."""

from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def show_size(size: float) -> str:
    """Write a number of bytes with three digits, in Docker's form."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.3g}{_UNITS[unit]}"
