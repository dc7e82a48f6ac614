"""``preg logs``: show what a container has printed."""

from __future__ import annotations

from runtime.attach import write
from runtime.cli.options import Option, Usage
from runtime.cli.targets import here
from runtime.errors import Fault, UsageError
from runtime.log import stamp
from runtime.log_reader import read_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.container import Container
    from runtime.log import Entry

USAGE: Final = Usage(
    "logs [OPTION...] CONTAINER",
    "Show what a container has printed: the last 30 MB of it are kept, or what --log-opt said.",
    (
        Option("--follow", "Go on until the container ends", short="-f"),
        Option("--tail", "Begin with the last N lines (default: all)", "N", "-n"),
        Option("--since", "Begin at this time: 2026-01-31T12:00:00Z, or 10m for ten minutes ago", "TIME"),
        Option("--until", "End at this time", "TIME"),
        Option("--timestamps", "Say when each line was printed", short="-t"),
        Option("--details", "Begin each line with what --log-opt labels=NAMES and env=NAMES name of the container"),
    ),
    notes="""
Examples:
  preg logs -f --tail 100 web
  preg logs --since 10m -t web
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    limit = _read_tail(options.last("--tail") or "all")
    since, until = (_read(options.last(name), name) for name in ("--since", "--until"))
    containers = here()
    container = containers.find(options.operands[0])
    if container.describe().log.driver == "none":
        raise Fault(f"nothing of what {options.operands[0]} prints is kept: it was made with --log-driver none")
    details = _read_details(container) if "--details" in options else b""
    printer = _Printer(stamps="--timestamps" in options, details=details)
    for entry in read_log(containers, container, limit, since, follow="--follow" in options):
        if until and entry.time > until:
            break
        printer.write(entry)
    return 0


def _read_tail(text: str) -> int | None:
    """Read a number of lines; none for all, as is -1 to Docker."""
    if text in ("all", "-1"):
        return None
    if not text.isdecimal():
        raise UsageError(f"--tail {text}: it is a number of lines, or all")
    return int(text)


def _read(text: str | None, option: str) -> bytes:
    if text is None:
        return b""
    from runtime.cli.times import read_time  # noqa: PLC0415 - few ask for a time

    return stamp(read_time(text, option))


def _read_details(container: Container) -> bytes:
    from runtime.cli.log_details import show_details  # noqa: PLC0415 - few ask for them

    return show_details(container)


class _Printer:
    """Puts the parts of a line together: only the first has a time and details before it."""

    def __init__(self, *, stamps: bool, details: bytes) -> None:
        self._stamps = stamps
        self._details = details
        self._inside: set[bytes] = set()

    def write(self, entry: Entry) -> None:
        stamp = entry.time + b" " if self._stamps else b""
        head = b"" if entry.stream in self._inside else stamp + self._details
        if entry.whole:
            self._inside.discard(entry.stream)
        else:
            self._inside.add(entry.stream)
        text = head + entry.text + (b"\n" if entry.whole else b"")
        write(2 if entry.stream == b"stderr" else 1, text)
