"""``preg load``: take in saved images."""

import asyncio
import sys
from pathlib import Path
from typing import Final

from runtime import config
from runtime.cli.options import Option, Usage
from runtime.cli.progress import progress
from runtime.cli.registries import as_faults
from runtime.cli.shared_options import PLATFORM
from runtime.errors import Fault
from runtime.images import Images
from runtime.load import load
from runtime.platforms import read_platform
from runtime.saved import open_saved
from runtime.workspace import open_workspace

USAGE: Final = Usage(
    "load [OPTION...]",
    "Take in images that 'preg save', docker, podman or skopeo has saved: an archive of docker or of OCI, packed or\n"
    "not, or the directory of an OCI layout. Nothing is extracted, and every digest is checked.",
    (
        Option("--input", "Read this file or directory (default: standard input)", "PATH", "-i"),
        PLATFORM,
        Option("--quiet", "Do not show how it comes along", short="-q"),
    ),
    notes="""
Examples:
  preg load -i app.tar.gz
  docker save app:1 | preg load
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    path, platform = options.last("--input"), options.last("--platform")
    wanted = read_platform(platform) if platform else None
    if path is None and sys.stdin.isatty():
        raise Fault("there is nothing on standard input but a terminal: name a file with -i")
    images = Images(config.load().home)
    with open_workspace(images) as workspace, progress("load") as show, as_faults():
        files = open_saved(Path(path) if path else None, workspace.path)
        report = (lambda _: None) if "--quiet" in options else show

        async def work() -> None:
            async for loaded in load(images, files, path or "standard input", report, wanted):
                images.note("load", loaded.image, loaded.image)
                for name in loaded.names:
                    sys.stdout.write(f"Loaded image: {name.familiar}\n")
                if not loaded.names:
                    sys.stdout.write(f"Loaded image ID: {loaded.image}\n")

        asyncio.run(work())
    return 0
