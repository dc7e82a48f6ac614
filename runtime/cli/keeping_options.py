"""How a container is to be kept: its labels, and when it ends and is started again."""

from __future__ import annotations

from runtime.cli.labels import read_labels
from runtime.errors import UsageError
from runtime.restart import read_restart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.options import Options
    from runtime.create import Wanted


def ask_keeping(options: Options, wanted: Wanted) -> Wanted:
    """Add to what is wanted what the options say. Raises UsageError."""
    timeout = options.last("--stop-timeout")
    if timeout is not None and not timeout.removeprefix("-").isdecimal():
        raise UsageError(f"--stop-timeout {timeout}: it is a number of seconds")
    restart = read_restart(options.last("--restart") or "no")
    if wanted.remove and restart.policy != "no":
        raise UsageError("--rm and --restart exclude each other: what is removed cannot be started again")
    return wanted._replace(
        labels=_read_labels(options),
        restart=restart,
        stop_signal=options.last("--stop-signal"),
        stop_timeout=None if timeout is None else int(timeout),
    )


def _read_labels(options: Options) -> dict[str, str]:
    lines = []
    for path in options.all("--label-file"):
        with open(path, encoding="utf-8") as file:
            lines += [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return read_labels((*lines, *options.all("--label")))
