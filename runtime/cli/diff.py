"""``preg diff``: tell what a container has changed of its image."""

import os
import sys
from typing import Final

from runtime.cli.options import Usage
from runtime.cli.targets import here
from runtime.diff import changes
from runtime.roots import opened_image

USAGE: Final = Usage(
    "diff CONTAINER",
    "Tell what a container has added (A), changed (C) and deleted (D) of what its image has.",
    notes="""
Example:
  preg diff web
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    container = here().find(USAGE.parse(arguments).operands[0])
    try:
        upper = os.open(f"{container.directory}/upper", os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return 0  # it was never started
    try:
        with opened_image(container) as image:
            found = changes(upper, image)
    finally:
        os.close(upper)
    sys.stdout.writelines(f"{kind} {path}\n" for path, kind in found.items())
    return 0
