"""``preg stop``: end running containers."""

from __future__ import annotations

from runtime.cli.options import Option, Usage
from runtime.cli.targets import each_at_once, here
from runtime.errors import UsageError
from runtime.stop import Terms, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.cli.options import Options

_TIMEOUT: Final = Option("--timeout", "Kill those that have not ended by then; -1 is never", "SECONDS", "-t")
#: How a container is to end: into ``Terms``.
TERMS: Final = (
    _TIMEOUT,
    Option("--time", "The same as --timeout", "SECONDS"),
    Option("--signal", "Send this signal (default: that of --stop-signal, or of its image, or TERM)", "SIGNAL", "-s"),
)
USAGE: Final = Usage(
    "stop [OPTION...] CONTAINER...",
    "Ask containers to end, and kill those that do not. They are not started again by their restart policies.",
    TERMS,
    notes="""
Examples:
  preg stop -t 30 db
  preg stop $(preg ps -q)
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    terms, containers = read_terms(options), here()
    return each_at_once(containers, options.operands, lambda container: stop(containers, container, terms))


def read_terms(options: Options) -> Terms:
    """Read how a container is to end. Raises UsageError."""
    text = options.last(_TIMEOUT.name) or options.last("--time")
    if text is not None and text != "-1" and not text.isdecimal():
        raise UsageError(f"--timeout {text}: it is a number of seconds, or -1")
    name = options.last("--signal")
    return Terms(None if text is None else int(text), _read_signal(name) if name else None)


def _read_signal(text: str) -> int:
    from runtime.signals import read_signal  # noqa: PLC0415 - mostly it is the container's

    return read_signal(text)
