"""What ``preg run`` and ``preg create`` take to have a container checked."""

from __future__ import annotations

from runtime.cli.options import Option
from runtime.cli.times import read_duration
from runtime.errors import UsageError
from runtime.health_check import HealthWish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.cli.options import Options

HEALTH_OPTIONS: Final = (
    Option("--health-cmd", "See by this command of a shell whether it is well", "COMMAND"),
    Option("--health-interval", "Wait so long between checks (default: 30s)", "DURATION"),
    Option("--health-timeout", "A check that takes longer has failed (default: 30s)", "DURATION"),
    Option("--health-retries", "It is unhealthy when so many checks in a row have failed (default: 3)", "N"),
    Option("--health-start-period", "Failures do not count so long after its start (default: 0s)", "DURATION"),
    Option("--no-healthcheck", "Do not check it, whatever its image says"),
)


def read_health(options: Options) -> HealthWish:
    """Read what is asked for. Raises UsageError."""
    retries = options.last("--health-retries")
    if retries is not None and not retries.isdecimal():
        raise UsageError(f"--health-retries {retries}: it is a number")
    wish = HealthWish(
        off="--no-healthcheck" in options,
        command=options.last("--health-cmd"),
        interval=_read_duration(options, "--health-interval"),
        timeout=_read_duration(options, "--health-timeout"),
        start_period=_read_duration(options, "--health-start-period"),
        retries=int(retries or 0),
    )
    if wish.off and wish != HealthWish(off=True):
        raise UsageError("--no-healthcheck excludes all that says how to check")
    return wish


def _read_duration(options: Options, name: str) -> float:
    text = options.last(name)
    seconds = 0.0 if text is None else read_duration(text, name)
    if 0 < seconds < 0.001:
        raise UsageError(f"{name} {text}: it is at least 1ms")
    return seconds
