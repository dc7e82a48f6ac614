"""Signals as people write them."""

from __future__ import annotations

from runtime.errors import UsageError
from runtime.lean import signal

#: The number of each signal by its name.
NUMBERS = {
    name: int(number)
    for name, number in sorted(vars(signal).items())
    if name.startswith("SIG") and not name.startswith("SIG_")
}


#: From which others are counted, as RTMIN+3 and RTMAX-3.
_REAL_TIME = {"SIGRTMIN": "+", "SIGRTMAX": "-"}


def read_signal(text: str) -> int:
    """Read a signal's number or name, with or without SIG, as TERM, SIGTERM, 15, RTMIN+3. Raises UsageError."""
    if text.isdecimal() and 0 < int(text) < signal.NSIG:
        return int(text)
    name = f"SIG{text.upper().removeprefix('SIG')}"
    if name in NUMBERS:
        return NUMBERS[name]
    for base, sign in _REAL_TIME.items():
        offset = name.removeprefix(f"{base}{sign}")
        if offset != name and offset.isdecimal():
            number = NUMBERS[base] + int(f"{sign}{offset}")
            if NUMBERS["SIGRTMIN"] <= number <= NUMBERS["SIGRTMAX"]:
                return number
    raise UsageError(
        f"there is no signal {text!r}: it is a name such as TERM or RTMIN+3, or a number below {signal.NSIG}"
    )


def signal_name(number: int) -> str:
    """Give a signal's name, or its number if it has none."""
    return next((name for name, each in NUMBERS.items() if each == number), str(number))
