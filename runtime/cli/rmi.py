"""``preg rmi``: remove images."""

import sys
from typing import Final

from runtime import config
from runtime.cli.naming import get_record
from runtime.cli.options import Option, Usage
from runtime.cli.shared_options import ITS_PLATFORM
from runtime.containers import Containers
from runtime.errors import Fault, NotFound
from runtime.images import Images
from runtime.rmi import Removal
from runtime.workspace import open_workspace

USAGE: Final = Usage(
    "rmi [OPTION...] IMAGE...",
    "Take names from images, by tag or by digest, and remove those that have none left; or remove images by their IDs.",
    (
        Option("--force", "Even if containers that do not run use them, or they have names elsewhere", short="-f"),
        ITS_PLATFORM,
        Option("--no-prune", "As without: preg keeps no images that are part of others"),
    ),
    notes="""
Examples:
  preg rmi localhost:5000/team/app:1
  preg rmi $(preg images -q --filter dangling=true)
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, here = USAGE.parse(arguments), config.load()
    images, containers = Images(here.home), Containers(here.home, here.state)
    force, platforms, status = "--force" in options, options.all("--platform"), 0
    for word in options.operands:
        try:
            with open_workspace(images) as workspace, images.removing():
                removal = Removal(images, containers, workspace, keep_layers=False)
                for step in removal.remove(get_record(images, word, platforms), force=force):
                    sys.stdout.write(f"{step.kind}: {step.what}\n")
        except Fault as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = status if force and isinstance(fault, NotFound) else 1
        sys.stdout.flush()
    return status
