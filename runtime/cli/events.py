"""``preg events``: tell what happens to containers."""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from runtime import config
from runtime.cli.filters import passes, read_filters
from runtime.cli.labels import has_label
from runtime.cli.options import Option, Usage
from runtime.cli.times import read_time
from runtime.errors import UsageError
from runtime.event_reader import read_events
from runtime.lean import to_json
from runtime.log import stamp

_KEYS: Final = ("container", "event", "image", "label", "network", "scope", "status", "type", "volume")
USAGE: Final = Usage(
    "events [OPTION...]",
    "Report what happens to containers, images, networks and volumes, until it is interrupted.",
    (
        Option("--since", "Tell also what has happened since then: a time, or 10m for ten minutes ago", "TIME"),
        Option("--until", "End at this time", "TIME"),
        Option("--filter", f"Tell of those that have {', '.join(_KEYS)} so", "KEY=VALUE", "-f", _KEYS),
        Option("--format", "json, or a Go template ('{{.Type}} {{.Action}}')", "FORMAT"),
    ),
    notes="""
The last few thousand events are kept.

Examples:
  preg events --since 1h --until 0s --filter event=die
  preg events --filter container=web --format '{{.Action}} {{.Actor.Attributes.exitCode}}'
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    form = options.last("--format")
    show = _reader(form)
    filters = read_filters(options, _KEYS)
    since, until = options.last("--since"), options.last("--until")
    # Without a beginning only what happens from now on is told.
    first = read_time(since, "--since") if since else _asked_at()
    last = None if until is None else read_time(until, "--until")
    for event in read_events(config.load().home, until=last):
        # All of them are looked at, for the clock may have been set back meanwhile.
        in_time = first <= event["timeNano"] and (last is None or event["timeNano"] <= last)
        if in_time and passes(filters, partial(_is, event)):
            sys.stdout.write(f"{show(event)}\n")
            sys.stdout.flush()
    return 0


def _asked_at() -> int:
    """Give when this command was called, in nanoseconds since the epoch.

    Programs call it and make a container start before Python has loaded this, and then wait for that event.
    """
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    # What began within the last tick is not told twice.
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 1) / os.sysconf("SC_CLK_TCK")
    return time.time_ns() - max(0, int(age * 1e9))


def _reader(form: str | None) -> Callable[[dict[str, Any]], str]:
    """Give what writes an event as ``--format`` says. Raises UsageError, and Fault for a template."""
    if form is None:
        return show_event
    if form == "json":
        return lambda event: to_json(event, as_is=True)
    if "{{" not in form:
        raise UsageError(f"--format {form}: events are printed as they are, as json, or by a Go template")
    from runtime.cli.templates import read_template, render_event  # noqa: PLC0415 - for templates alone

    template = read_template(form)
    return lambda event: render_event(template, event)


def show_event(event: dict[str, Any]) -> str:
    """Write an event as Docker does."""
    attributes = ", ".join(f"{name}={value}" for name, value in sorted(event["Actor"]["Attributes"].items()))
    when = stamp(event["timeNano"]).decode()
    return f"{when} {event['Type']} {event['Action']} {event['Actor']['ID']} ({attributes})"


def _is(event: dict[str, Any], key: str, value: str) -> bool:
    identifier: str = event["Actor"]["ID"]
    attributes: dict[str, str] = event["Actor"]["Attributes"]
    if key in ("container", "network", "volume"):
        names = (identifier, attributes.get("name", ""))
        return event["Type"] == key and any(name.startswith(value) for name in names)
    if key in ("event", "status"):
        return bool(event["Action"] == value or event["Action"].startswith(f"{value}:"))
    if key == "image":
        return value in (
            (identifier, attributes.get("name")) if event["Type"] == "image" else (attributes.get("image"),)
        )
    if key == "label":
        return has_label(attributes, value)
    return bool(event["scope" if key == "scope" else "Type"] == value)
