"""Times as people read and write them."""

from __future__ import annotations

import time

from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SECOND: Final = 1_000_000_000
#: A time with a fraction of its seconds; Python's own reader takes six digits of them.
_FRACTION: Final = r"([^.]*\d)\.(\d{1,9}+)\d*+(\D.*)?"
_PART: Final = r"(\d+(?:\.\d+)?)(h|ms|m|s)"


def show_duration(seconds: float) -> str:
    """Say how long something took or is ago, in Docker's words (go-units, HumanDuration)."""
    hours = int(seconds / 3600 + 0.5)
    if seconds < 1:
        return "Less than a second"
    if seconds < 2:
        return "1 second"
    if seconds < 60:
        return f"{int(seconds)} seconds"
    if seconds < 120:
        return "About a minute"
    if seconds < 3600:
        return f"{int(seconds / 60)} minutes"
    if hours == 1:
        return "About an hour"
    for limit, unit, name in ((48, 1, "hours"), (336, 24, "days"), (1440, 168, "weeks"), (17520, 720, "months")):
        if hours < limit:
            return f"{hours // unit} {name}"
    return f"{int(seconds / 3600 / 24 / 365)} years"


def show_time(seconds: float) -> str:
    """Write a time as RFC 3339 does; 0, which is never, as Go writes its own zero."""
    if not seconds:
        return "0001-01-01T00:00:00Z"
    whole, fraction = divmod(round(seconds * 1_000_000), 1_000_000)
    moment = time.gmtime(whole)
    # The C library does not fill up the years of the first millennium.
    text = f"{moment.tm_year:04}{time.strftime('-%m-%dT%H:%M:%S', moment)}"
    return f"{text}.{fraction:06}Z" if fraction else f"{text}Z"


def show_listed_time(seconds: float) -> str:
    """Write a time as Docker's lists do: in whole seconds, and in the zone of who asks."""
    moment = time.localtime(int(seconds)) if seconds >= 0 else time.gmtime(int(seconds))
    return f"{moment.tm_year:04}{time.strftime('-%m-%d %H:%M:%S %z %Z', moment)}".replace(" GMT", " UTC")


def show_exact_time(seconds: float) -> str:
    """Write a time as Go prints one: in universal time, with its fraction."""
    return f"{show_time(seconds).replace('T', ' ').removesuffix('Z')} +0000 UTC"


def read_duration(text: str, option: str) -> float:
    """Read how long something takes, as 90s or 1h30m, in seconds. Raises UsageError."""
    seconds = _read_parts(text)
    if seconds is None:
        raise UsageError(f"{option} {text}: how long is written as 500ms, 30s or 1h30m")
    return seconds


def _read_parts(text: str) -> float | None:
    import re  # noqa: PLC0415 - slow, and times are written more often than read

    parts = re.findall(_PART, text)
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def read_time(text: str, option: str) -> int:
    """Read seconds since the epoch, an RFC 3339 time, or how long ago, as 10m or 1h30m.

    Give nanoseconds since the epoch, for those are what logs and events print. Raises UsageError.
    """
    import re  # noqa: PLC0415 - as above

    found = re.fullmatch(_FRACTION, text, re.ASCII)
    whole, fraction = (found[1] + (found[3] or ""), int(found[2].ljust(9, "0"))) if found else (text, 0)
    if whole.isascii() and whole.isdecimal():
        return int(whole) * _SECOND + fraction
    if (ago := _read_parts(text)) is not None:
        return time.time_ns() - int(ago * _SECOND)
    from datetime import datetime  # noqa: PLC0415

    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        raise UsageError(
            f"{option} {text}: a time is 2026-01-31T12:00:00Z, seconds since 1970, or how long ago: 10m, 1h30m"
        ) from None
    return int((moment if moment.tzinfo else moment.astimezone()).timestamp()) * _SECOND + fraction
