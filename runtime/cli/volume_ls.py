"""``preg volume ls``: list the volumes."""

import sys
from typing import Final

from runtime import config
from runtime.cli.options import Option, Usage
from runtime.cli.table import FORMAT, write_records, write_table
from runtime.cli.targets import here
from runtime.cli.volume_filters import matches, read_filter
from runtime.volumes import Volume, Volumes, users_of

_FIELDS: Final = ("Driver", "Labels", "Links", "Mountpoint", "Name", "Scope", "Size")
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
    filters = [read_filter(text, ("dangling", "name", "label", "driver")) for text in options.all("--filter")]
    used = users_of(here()) if any(key == "dangling" for key, _ in filters) else {}
    found = [v for v in volumes if all(matches(v, key, value, used=v.name in used) for key, value in filters)]
    form = options.last("--format")
    if "--quiet" in options:
        sys.stdout.writelines(f"{volume.name}\n" for volume in found)
    elif form is not None and form != "table":
        write_records([_show(volumes, volume) for volume in found], _FIELDS, form)
    else:
        write_table(("DRIVER", "VOLUME NAME"), [("local", volume.name) for volume in found])
    return 0


def _show(volumes: Volumes, volume: Volume) -> dict[str, str]:
    return {
        "Driver": "local",
        "Labels": ",".join(f"{name}={value}" for name, value in volume.labels.items()),
        "Links": "N/A",
        "Mountpoint": volumes.data(volume.name),
        "Name": volume.name,
        "Scope": "local",
        "Size": "N/A",
    }
