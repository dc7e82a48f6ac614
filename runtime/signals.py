"""Signals as people write them."""

from __future__ import annotations

from runtime.errors import UsageError
from runtime.lean import signal, suppress

#: The number of each signal by its name.
NUMBERS = {
    name: int(number)
    for name, number in sorted(vars(signal).items())
    if name.startswith("SIG") and not name.startswith("SIG_")
}


def read_signal(text: str) -> int:
    """Read a signal's number or name, with or without SIG, as TERM, SIGTERM, 15, RTMIN+3. Raises UsageError."""
    if text.isdecimal() and 0 < int(text) < signal.NSIG:
        return int(text)
    name = f"SIG{text.upper().removeprefix('SIG')}"
    for sign, factor in (("+", 1), ("-", -1)):
        base, found, offset = name.partition(sign)
        with suppress(KeyError, ValueError):
            return NUMBERS[base] + (factor * int(offset) if found else 0)
    raise UsageError(f"there is no signal {text!r}")


def signal_name(number: int) -> str:
    """Give a signal's name, or its number if it has none."""
    return next((name for name, each in NUMBERS.items() if each == number), str(number))
