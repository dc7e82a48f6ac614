"""How it is seen whether a container is well: what a person asks, put together with what the image says."""

from __future__ import annotations

from runtime.container import HealthCheck
from runtime.errors import UsageError
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.image_config import Process

_NANOSECONDS: Final = 1_000_000_000
#: What Docker calls a check that is switched off.
OFF: Final = HealthCheck(["NONE"], interval=0, timeout=0, start_period=0, retries=0)


class HealthWish(NamedTuple):
    """What a person asks; None, empty and 0 leave it to the image. Times are in seconds."""

    off: bool = False
    command: str | None = None
    interval: float = 0.0
    timeout: float = 0.0
    start_period: float = 0.0
    start_interval: float = 0.0
    retries: int = 0


def decide(wish: HealthWish, image: Process) -> HealthCheck | None:
    """Give the check; None if nothing is said of one. Raises UsageError if it is not said how to check."""
    own = image.healthcheck
    images = list((own.test if own else None) or [])
    test = images if wish.command is None else ["CMD-SHELL", wish.command]
    off = wish.off or test[:1] == ["NONE"]
    if off or not test[1:]:
        if wish != HealthWish(off=wish.off):
            raise UsageError("neither --health-cmd nor the image says how to see whether the container is well")
        return OFF if off else None
    return HealthCheck(
        test=test,
        interval=wish.interval or _seconds(own.interval if own else 0) or 30.0,
        timeout=wish.timeout or _seconds(own.timeout if own else 0) or 30.0,
        start_period=wish.start_period or _seconds(own.start_period if own else 0),
        retries=wish.retries or (own.retries if own else 0) or 3,
        start_interval=wish.start_interval or _seconds(own.start_interval if own else 0) or 5.0,
    )


def _seconds(nanoseconds: int) -> float:
    return nanoseconds / _NANOSECONDS
