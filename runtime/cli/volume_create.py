"""``preg volume create``: make a volume."""

import sys
from typing import Final

from runtime import config
from runtime.cli.labels import read_labels
from runtime.cli.options import Option, Usage
from runtime.cli.volume_options import read_volume_options
from runtime.errors import UsageError
from runtime.volumes import Volumes, invent_name

USAGE: Final = Usage(
    "volume create [OPTION...] [NAME]",
    "Make a volume and print its name; one that is there stays as it is.",
    (
        Option("--label", "Note something about it", "NAME[=VALUE]"),
        Option("--driver", "local, the only one there is", "DRIVER", "-d"),
        Option(
            "--opt", "Let it be a file system of its own: type, device and o, as mount(8) has them", "KEY=VALUE", "-o"
        ),
    ),
    notes="""
Examples:
  preg volume create --label project=shop data
  preg volume create -o type=nfs -o o=addr=nas.example,nfsvers=4 -o device=:/export/data shared
  preg volume create -o type=tmpfs -o device=tmpfs -o o=size=100m,uid=1000 scratch
  preg volume create -o type=none -o o=bind -o device=/srv/data local
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
    wanted = read_volume_options(options.all("--opt"), "--opt")
    volumes.make(name, read_labels(options.all("--label")), wanted, anonymous=anonymous)
    if wanted and volumes.get(name).options != wanted:
        sys.stderr.write(f"preg: warning: the volume {name} was there already, with other options, and keeps these\n")
    sys.stdout.write(f"{name}\n")
    return 0
