"""A clock that goes only when it is told to."""


class Clock:
    """Seconds, to be given to what wants a clock; a test adds to ``now``."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
