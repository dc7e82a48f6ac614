"""What ``preg run`` and ``preg create`` take to have less, or more, of what a container prints kept."""

from __future__ import annotations

from runtime.cli.options import Option
from runtime.cli.quantities import read_number, read_size
from runtime.container import LogPolicy
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.cli.options import Options

LOG_OPTIONS: Final = (
    Option("--log-driver", "none keeps nothing of what it prints; json-file and local do the same here", "DRIVER"),
    Option("--log-opt", "Keep max-file files (default: 3) of max-size (default: 10m) of it", "KEY=VALUE"),
)
_DRIVERS: Final = ("json-file", "local", "none")


def read_log_policy(options: Options) -> LogPolicy:
    """Read what is to be kept. Raises UsageError."""
    policy = LogPolicy(driver=options.last("--log-driver") or LogPolicy().driver)
    if policy.driver not in _DRIVERS:
        raise UsageError(f"--log-driver {policy.driver}: it is {', '.join(_DRIVERS)}")
    for text in options.all("--log-opt"):
        key, _, value = text.partition("=")
        if key == "max-size":
            policy = policy._replace(size=read_size("--log-opt max-size", value))
        elif key == "max-file":
            policy = policy._replace(files=read_number("--log-opt max-file", value, 1, 1000))
        else:
            raise UsageError(f"--log-opt {text}: it is max-size=SIZE or max-file=NUMBER")
    return policy
