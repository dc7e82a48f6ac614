"""``preg volume ls``: list the volumes."""

import sys
from typing import Any, Final

from runtime import config
from runtime.cli.labels import show_labels
from runtime.cli.options import Option, Usage
from runtime.cli.table import FORMAT, print_records
from runtime.cli.targets import here
from runtime.cli.volume_filters import matches, read_filters
from runtime.volumes import Volume, Volumes, users_of

#: What Docker has for volumes of Swarm, and for ``system df``.
_NOT_HERE: Final = ("Availability", "Group", "Links", "Size", "Status")
_FIELDS: Final = ("Driver", "Labels", "Mountpoint", "Name", "Scope", *_NOT_HERE)
_COLUMNS: Final = {"Driver": "DRIVER", "Name": "VOLUME NAME"}
_KEYS: Final = ("dangling", "name", "label", "driver")
USAGE: Final = Usage(
    "volume ls [OPTION...]",
    "List the volumes.",
    (
        Option("--filter", "List those that have dangling, name, label or driver so", "KEY=VALUE", "-f"),
        Option("--quiet", "Print names alone", short="-q"),
        FORMAT,
    ),
    notes=f"""
Fields: {", ".join(_FIELDS)}.

Example:
  preg volume ls --filter dangling=true
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, volumes = USAGE.parse(arguments), Volumes(config.load().home)
    filters = read_filters(options, _KEYS)
    used = users_of(here()) if any(key == "dangling" for key, _ in filters) else {}
    found = [v for v in volumes if all(matches(v, key, value, used=v.name in used) for key, value in filters)]
    if "--quiet" in options:
        sys.stdout.writelines(f"{volume.name}\n" for volume in found)
    else:
        records = [_show(volumes, volume) for volume in found]
        print_records(records, _FIELDS, _COLUMNS, options.last("--format"))
    return 0


def _show(volumes: Volumes, volume: Volume) -> dict[str, Any]:
    return {
        **dict.fromkeys(_NOT_HERE, "N/A"),
        "Driver": "local",
        "Labels": show_labels(volume.labels),
        "Label": volume.labels,
        "Mountpoint": volumes.data(volume.name),
        "Name": volume.name,
        "Scope": "local",
    }
