"""``preg volume create``: make a volume."""

import sys
from typing import Final

from runtime import config
from runtime.cli.labels import read_labels
from runtime.cli.options import Option, Usage
from runtime.errors import UsageError
from runtime.volumes import Volumes, invent_name

USAGE: Final = Usage(
    "volume create [OPTION...] [NAME]",
    "Make a volume and print its name; one that is there stays as it is.",
    (
        Option("--label", "Note something about it", "NAME[=VALUE]"),
        Option("--driver", "local, the only one there is", "DRIVER", "-d"),
    ),
    notes="""
Example:
  preg volume create --label project=shop data
""",
    operands=(0, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, volumes = USAGE.parse(arguments), Volumes(config.load().home)
    if (options.last("--driver") or "local") != "local":
        raise UsageError(f"--driver {options.last('--driver')}: there is only the driver local")
    anonymous = not options.operands
    name = invent_name() if anonymous else options.operands[0]
    volumes.make(name, read_labels(options.all("--label")), anonymous=anonymous)
    sys.stdout.write(f"{name}\n")
    return 0
