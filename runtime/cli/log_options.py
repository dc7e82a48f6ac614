"""How much a person wants to have kept of what a container prints."""

from __future__ import annotations

from runtime.cli.quantities import read_number, read_size
from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.cli.options import Options
    from runtime.create import Wanted

_DRIVERS: Final = ("json-file", "local", "none")


def ask_log(options: Options, wanted: Wanted) -> Wanted:
    """Add to what is wanted what the options say. Raises UsageError."""
    policy = wanted.log._replace(driver=options.last("--log-driver") or wanted.log.driver)
    if policy.driver not in _DRIVERS:
        raise UsageError(f"--log-driver {policy.driver}: it is {', '.join(_DRIVERS)}")
    if policy.driver == "none" and options.all("--log-opt"):
        raise UsageError("conflicting options: --log-opt and --log-driver none, which keeps nothing")
    for text in options.all("--log-opt"):
        key, _, value = text.partition("=")
        if key == "max-size":
            policy = policy._replace(size=read_size("--log-opt max-size", value))
        elif key == "max-file":
            policy = policy._replace(files=read_number("--log-opt max-file", value, 1, 1000))
        elif key == "labels":
            policy = policy._replace(labels=value)
        elif key == "env":
            policy = policy._replace(env=value)
        else:
            raise UsageError(f"--log-opt {text}: it is max-size=SIZE, max-file=NUMBER, labels=NAMES or env=NAMES")
    return wanted._replace(log=policy)
