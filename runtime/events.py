"""What has happened to containers and images, as it is written down by whoever does it; there is no daemon to tell.

``events/log`` below the home directory has a line of JSON for each event; when it is full it becomes ``events/log.1``.
Who writes holds a lock on the directory, so that no line comes behind the last that a reader sees in a full file.
"""

from __future__ import annotations

import os
import time

from runtime.lean import from_json, to_json
from runtime.lock import holding, make_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

#: Of each of the two files: some thousand events.
_LIMIT: Final = 1_000_000


def folder(home: str) -> str:
    """Give the directory of the events of a home directory."""
    return f"{home}/events"


def record(home: str, action: str, identifier: str, attributes: dict[str, str], *, kind: str = "container") -> None:
    """Write down an event. A disk that is full loses it, and nothing else."""
    line = to_json([time.time_ns(), kind, action, identifier, attributes], as_is=True) + "\n"
    try:
        _append(folder(home), line.encode(errors="replace"))
    except OSError:
        return


def parse(line: bytes) -> dict[str, Any] | None:
    """Read a line, in the names of Docker's API; None for one that was cut off."""
    try:
        nanoseconds, kind, action, identifier, attributes = from_json(line)
        image = attributes.get("image", "")
        seconds = nanoseconds // 1_000_000_000
    except (ValueError, TypeError, AttributeError):
        return None
    return {
        "status": action,
        "id": identifier,
        "from": image,
        "Type": kind,
        "Action": action,
        "Actor": {"ID": identifier, "Attributes": attributes},
        "scope": "local",
        "time": seconds,
        "timeNano": nanoseconds,
    }


def _append(directory: str, line: bytes) -> None:
    try:
        _append_there(directory, line)
    except FileNotFoundError:
        make_private(directory)
        _append_there(directory, line)


def _append_there(directory: str, line: bytes) -> None:
    with holding(directory):
        file = os.open(f"{directory}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, line)
            if os.fstat(file).st_size > _LIMIT:
                os.rename(f"{directory}/log", f"{directory}/log.1")
        finally:
            os.close(file)
