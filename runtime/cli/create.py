"""``preg create``: make a container without starting it."""

import os
import sys
from typing import Final

from runtime import config
from runtime.cli.container_options import OPTIONS, make
from runtime.cli.options import Usage

USAGE: Final = Usage(
    "create [OPTION...] IMAGE [COMMAND [ARGUMENT...]]",
    "Make a container, and print its ID. 'preg start' starts it.",
    OPTIONS,
    notes="""
Example:
  preg create --name job localhost:5000/app && preg start -a job
""",
    operands=(1, 1),
    command_follows=True,
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    # Whoever starts it with -i is the one whose input it reads.
    container, held = make(config.load(), options, attached=True)
    container.unregister()
    os.close(held)
    sys.stdout.write(f"{container.id}\n")
    return 0
