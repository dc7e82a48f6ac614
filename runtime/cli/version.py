"""``preg version``: which preg this is."""

import platform
import sys
from importlib import metadata
from typing import Final

from runtime.cli.options import Usage
from runtime.cli.table import FORMAT, print_document

USAGE: Final = Usage(
    "version [OPTION...]",
    "Tell which preg this is, and what it runs on. 'preg --version' tells the first in a line.",
    (FORMAT,),
    notes="""
Examples:
  preg version
  preg version --format Version
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    form = USAGE.parse(arguments).last("--format")
    system = platform.uname()
    document = {
        "Version": own_version(),
        "PythonVersion": platform.python_version(),
        "Os": system.system.lower(),
        "Arch": system.machine,
        "KernelVersion": system.release,
    }
    print_document(document, form)
    return 0


def in_a_line(_: list[str]) -> int:
    """Run ``preg --version``."""
    sys.stdout.write(f"preg version {own_version()}\n")
    return 0


def own_version() -> str:
    """Give preg's version."""
    try:
        return metadata.version("preg-registry")
    except metadata.PackageNotFoundError:
        return "unknown"
