"""Whether a container is well: a command that its supervisor runs in it again and again, by Docker's rules."""

from __future__ import annotations

import time

from runtime import frames as f

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Protocol

    from runtime.container import HealthCheck

    #: Starts a check, of which the listener hears, and gives what ends it. Raises OSError.
    Start = Callable[[Callable[[int, bytes], None]], Callable[[], None]]

    class Report(Protocol):
        """Is told after each check."""

        def __call__(self, *, changed: bool) -> None:
            """Take note; ``changed`` if the container has become well, or is not well any more."""


STARTING: Final = "starting"
HEALTHY: Final = "healthy"
UNHEALTHY: Final = "unhealthy"
#: How much of what a check prints is kept, and of how many checks.
_OUTPUT: Final = 4096
_LOGGED: Final = 5
#: Docker's status of a check that took too long.
_TOO_LONG: Final = -1


class Monitor:
    """The checks of one container, from one start to its end."""

    def __init__(self, check: HealthCheck, start: Start, report: Report) -> None:
        self._check = check
        self._start = start
        self._report = report
        self.status = STARTING
        self.streak = 0
        """How often in a row it was not well."""
        self.log: list[dict[str, Any]] = []
        self._began = time.monotonic()
        self.due = self._began + self._interval
        """When ``wake`` is to be called (monotonic)."""
        self._started = 0.0
        self._output = bytearray()
        self._kill: Callable[[], None] | None = None
        """How to end the check that goes on."""
        self._ending = False
        """The last check took too long, and has not ended yet."""

    def wake(self, *, frozen: bool) -> None:
        """Begin a check, or end one that takes too long; not while the container is paused, or the last check ends."""
        if frozen or self._ending:
            self.due = time.monotonic() + self._interval
            return
        if self._kill is not None:
            kill, self._kill, self._ending = self._kill, None, True
            kill()
            self._finish(_TOO_LONG, f"Health check exceeded timeout ({self._check.timeout:g}s)")
            return
        self._output = bytearray()
        self._started = time.time()
        self.due = time.monotonic() + self._check.timeout
        try:
            self._kill = self._start(self._hear)
        except OSError as error:
            self._finish(_TOO_LONG, str(error))

    def _hear(self, kind: int, content: bytes) -> None:
        """Take note of what becomes of the check."""
        if kind in (f.STDOUT, f.STDERR):
            self._output += content[: _OUTPUT - len(self._output)]
        elif kind not in (f.EXIT, f.FAILED):
            return
        elif self._ending:
            self._ending = False
        else:
            self._kill = None
            if kind == f.FAILED:
                self._output += content[:_OUTPUT]
            self._finish(int(content) if kind == f.EXIT else _TOO_LONG, self._output.decode(errors="replace"))

    def describe(self) -> dict[str, Any]:
        """Tell how it is, in the names of Docker's API."""
        return {"Status": self.status, "FailingStreak": self.streak, "Log": self.log}

    @property
    def _interval(self) -> float:
        """The seconds to wait before the next check."""
        return self._check.start_interval if self._is_starting and self.status == STARTING else self._check.interval

    @property
    def _is_starting(self) -> bool:
        return time.monotonic() - self._began < self._check.start_period

    def _finish(self, code: int, output: str) -> None:
        self.log = [
            *self.log[1 - _LOGGED :],
            {"Start": self._started, "End": time.time(), "ExitCode": code, "Output": output},
        ]
        before = self.status
        if code == 0:
            self.status, self.streak = HEALTHY, 0
        elif self.status != STARTING or not self._is_starting:
            self.streak += 1
            if self.streak >= self._check.retries:
                self.status = UNHEALTHY
        self.due = time.monotonic() + self._interval
        self._report(changed=self.status != before)
