"""Sizes as people read them."""

from typing import Final

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_BINARY_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def show_size(size: float, *, digits: int = 3) -> str:
    """Write a number of bytes with so many digits, in Docker's form."""
    return _scale(size, 1000, _UNITS, digits)


def show_memory(size: float) -> str:
    """Write a number of bytes with four digits and units of 1024, as Docker does for memory."""
    return _scale(size, 1024, _BINARY_UNITS, 4)


def _scale(size: float, base: int, units: tuple[str, ...], digits: int) -> str:
    unit = 0
    while size >= base and unit < len(units) - 1:
        size /= base
        unit += 1
    return f"{size:.{digits}g}{units[unit]}"
