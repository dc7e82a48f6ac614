"""``preg volume rm``: remove volumes."""

import sys
from contextlib import suppress
from typing import Final

from runtime import config
from runtime.cli.options import Option, Usage
from runtime.cli.targets import here
from runtime.errors import Fault, NotFound, in_words
from runtime.volumes import Volumes

USAGE: Final = Usage(
    "volume rm [OPTION...] VOLUME...",
    "Remove volumes that no container uses, with all that is in them.",
    (Option("--force", "It is no fault if one is not there", short="-f"),),
    notes="""
Example:
  preg volume rm data
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, volumes, containers = USAGE.parse(arguments), Volumes(config.load().home), here()
    status = 0
    for name in options.operands:
        try:
            with suppress(*((NotFound,) if "--force" in options else ())):
                volumes.remove(name, containers)
        except (Fault, OSError) as fault:
            sys.stderr.write(f"preg: {in_words(fault)}\n")
            status = 1
        else:
            sys.stdout.write(f"{name}\n")
    return status
