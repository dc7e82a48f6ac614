"""``preg volume inspect``: tell all about volumes."""

import json
import sys
from typing import Any, Final

from runtime import config
from runtime.cli.options import Usage
from runtime.cli.times import show_time
from runtime.errors import Fault
from runtime.volumes import Volumes

USAGE: Final = Usage(
    "volume inspect VOLUME...",
    "Tell all about volumes, as JSON with Docker's names.",
    notes="""
Example:
  preg volume inspect data
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, volumes = USAGE.parse(arguments), Volumes(str(config.load().home))
    found: list[dict[str, Any]] = []
    status = 0
    for name in options.operands:
        try:
            volume = volumes.get(name)
        except Fault as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = 1
            continue
        found.append(
            {
                "CreatedAt": show_time(volume.created),
                "Driver": "local",
                "Labels": volume.labels,
                "Mountpoint": volumes.data(name),
                "Name": name,
                "Options": {},
                "Scope": "local",
            }
        )
    sys.stdout.write(json.dumps(found, indent=4, ensure_ascii=False) + "\n")
    return status
