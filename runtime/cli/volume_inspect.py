"""``preg volume inspect``: tell all about volumes."""

from typing import Any, Final

from runtime import config
from runtime.cli.options import Usage
from runtime.cli.table import DOCUMENT_FORMAT, print_found
from runtime.cli.times import show_time
from runtime.volumes import Volumes

USAGE: Final = Usage(
    "volume inspect [OPTION...] VOLUME...",
    "Tell all about volumes, as JSON with Docker's names.",
    (DOCUMENT_FORMAT,),
    notes="""
Examples:
  preg volume inspect data
  preg volume inspect -f '{{.Mountpoint}}' data
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, volumes = USAGE.parse(arguments), Volumes(config.load().home)
    return print_found(lambda name: describe_volume(volumes, name), options.operands, options.last("--format"))


def describe_volume(volumes: Volumes, name: str) -> dict[str, Any]:
    """Put together what is known of a volume. Raises Fault."""
    volume = volumes.get(name)
    return {
        "CreatedAt": show_time(volume.created),
        "Driver": "local",
        "Labels": volume.labels or None,
        "Mountpoint": volumes.data(name),
        "Name": name,
        "Options": volume.options or None,
        "Scope": "local",
    }
