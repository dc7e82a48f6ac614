"""Limits of a process (getrlimit(2))."""

from runtime.errors import Fault, UsageError
from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

#: Those that Docker knows.
NAMES: "Final" = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio"),
    *("rttime", "sigpending", "stack"),
)
UNLIMITED: "Final" = 2**64 - 1


class Ulimit(NamedTuple):
    """A limit: what counts, and how far a process may raise it."""

    name: str
    soft: int
    hard: int

    def describe(self) -> dict[str, "Any"]:
        """Say it as runtime-spec does (config.md, "POSIX process")."""
        return {"type": f"RLIMIT_{self.name.upper()}", "soft": self.soft, "hard": self.hard}

    def check(self) -> None:
        """Raise Fault if the kernel would not let us set it."""
        import resource  # noqa: PLC0415 - most containers have no such limit

        number = getattr(resource, f"RLIMIT_{self.name.upper()}", None)
        if number is None:
            return  # rttime and locks, which Python does not know
        _, ours = resource.getrlimit(number)
        if ours != resource.RLIM_INFINITY and self.hard > ours:
            raise Fault(
                f"--ulimit {self.name}={self.soft}:{self.hard}: this host lets preg set at most {ours}; "
                "ask for less, or raise the limit of the shell first"
            )


def read_ulimit(text: str) -> Ulimit:
    """Read ``NAME=SOFT[:HARD]``; -1 is no limit. Raises UsageError."""
    name, _, numbers = text.partition("=")
    soft, colon, hard = numbers.partition(":")
    if name not in NAMES:
        raise UsageError(f"--ulimit {text}: the limits are {', '.join(NAMES)}")
    try:
        limit = Ulimit(name, _read_number(soft), _read_number(hard if colon else soft))
    except ValueError as error:
        raise UsageError(f"--ulimit {text}: a limit is NAME=SOFT[:HARD], with whole numbers or -1 for none") from error
    if limit.soft > limit.hard:
        raise UsageError(f"--ulimit {text}: the soft limit must not be above the hard one")
    return limit


def _read_number(text: str) -> int:
    if text == "-1":
        return UNLIMITED
    if not text.isascii() or not text.isdecimal() or int(text) > UNLIMITED:
        raise ValueError(text)
    return int(text)
