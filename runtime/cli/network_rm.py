"""``preg network rm``: remove networks."""

import sys
from typing import Final

from runtime.cli.options import Option, Usage
from runtime.cli.targets import here, networks
from runtime.errors import Fault, NotFound
from runtime.network.bridge import remove

USAGE: Final = Usage(
    "network rm [OPTION...] NETWORK...",
    "Remove networks that no running container is in.",
    (Option("--force", "It is no fault if one is not there", short="-f"),),
    notes="""
Example:
  preg network rm backend
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, known, status = USAGE.parse(arguments), networks(), 0
    here()
    for word in options.operands:
        try:
            remove(known, word)
        except NotFound as fault:
            if "--force" not in options:
                sys.stderr.write(f"preg: {fault}\n")
                status = 1
        except Fault as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = 1
        else:
            sys.stdout.write(f"{word}\n")
    return status
