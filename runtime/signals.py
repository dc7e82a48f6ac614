"""Signals as people write them."""

import signal
from contextlib import suppress

from runtime.errors import UsageError


def read_signal(text: str) -> int:
    """Read a signal's number or name, with or without SIG, as TERM, SIGTERM, 15, RTMIN+3. Raises UsageError."""
    if text.isdecimal() and 0 < int(text) < signal.NSIG:
        return int(text)
    name = f"SIG{text.upper().removeprefix('SIG')}"
    for sign, factor in (("+", 1), ("-", -1)):
        base, found, offset = name.partition(sign)
        with suppress(KeyError, ValueError):
            return int(signal.Signals[base]) + (factor * int(offset) if found else 0)
    raise UsageError(f"there is no signal {text!r}")


def signal_name(number: int) -> str:
    """Give a signal's name, or its number if it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
