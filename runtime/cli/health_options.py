"""How a person wants a container to be checked."""

from __future__ import annotations

from runtime.cli.times import read_duration
from runtime.errors import UsageError
from runtime.health_check import HealthWish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.options import Options
    from runtime.create import Wanted


def ask_health(options: Options, wanted: Wanted) -> Wanted:
    """Add to what is wanted what the options say. Raises UsageError."""
    retries = options.last("--health-retries")
    if retries is not None and not retries.isdecimal():
        raise UsageError(f"--health-retries {retries}: it is a number")
    wish = HealthWish(
        off="--no-healthcheck" in options,
        command=options.last("--health-cmd") or None,
        interval=_read_duration(options, "--health-interval"),
        timeout=_read_duration(options, "--health-timeout"),
        start_period=_read_duration(options, "--health-start-period"),
        start_interval=_read_duration(options, "--health-start-interval"),
        retries=int(retries or 0),
    )
    if wish.off and wish != HealthWish(off=True):
        raise UsageError("--no-healthcheck excludes all that says how to check")
    return wanted._replace(health=wish)


def _read_duration(options: Options, name: str) -> float:
    text = options.last(name)
    seconds = 0.0 if text is None else read_duration(text, name)
    if 0 < seconds < 0.001:
        raise UsageError(f"{name} {text}: it is at least 1ms")
    return seconds
