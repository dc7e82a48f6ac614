"""``preg system check``: whether all that preg keeps fits together."""

import sys
from typing import Final

from runtime import config, host
from runtime.check import check
from runtime.cli.options import Option, Usage

USAGE: Final = Usage(
    "system check [OPTION...]",
    "Look for what is damaged, half made or left over, and for what this host lacks to run containers.",
    (Option("--repair", "Mend what is found"),),
    notes="""
Exit status: 0 if all is well, or has been mended; 1 if something is left to do.

Examples:
  preg system check
  preg system check --repair
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    repair = "--repair" in USAGE.parse(arguments)
    here = config.load()
    count = 0
    for finding in list(check(here)):
        sys.stdout.write(f"{finding.what}\n")
        count += 1
        if repair:
            finding.repair()
    if repair and count:
        left = sum(1 for _ in check(here))
        sys.stdout.write(f"{count - left} of {count} repaired\n" if left else f"{count} repaired\n")
        count = left
    lacks = list(host.lacks(here))
    for lack in lacks:
        sys.stdout.write(f"{lack.what}: {lack.cure}\n")
    if not count and not lacks:
        sys.stdout.write("all is well\n")
    return 1 if count or any(lack.needed for lack in lacks) else 0
