"""``preg volume ls``: list the volumes."""

import sys
from typing import Any, Final

from runtime import config
from runtime.cli.filters import BOOLEAN, passes, read_filters
from runtime.cli.labels import show_labels
from runtime.cli.options import Option, Usage
from runtime.cli.table import FORMAT, print_records
from runtime.cli.targets import here
from runtime.cli.volume_filters import matches
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
        Option("--filter", "List those that have dangling, name, label or driver so", "KEY=VALUE", "-f", _KEYS),
        Option("--quiet", "Print names alone", short="-q"),
        FORMAT._replace(choices=_FIELDS),
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
    filters = read_filters(options, _KEYS, {"dangling": BOOLEAN})
    used = users_of(here()) if any(key == "dangling" for key, _ in filters) else {}

    def is_asked_for(volume: Volume) -> bool:
        return passes(filters, lambda key, value: matches(volume, key, value, used=volume.name in used))

    found = [volume for volume in volumes if is_asked_for(volume)]
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
