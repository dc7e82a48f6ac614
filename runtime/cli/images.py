"""``preg images``: list the images on this host."""

import sys
from typing import Final

from runtime import config
from runtime.cli.options import Option, Usage
from runtime.images import Images

USAGE: Final = Usage(
    "images [OPTION...]",
    "List the images on this host.",
    (Option("--quiet", "Print digests alone", short="-q"),),
    notes="""
Examples:
  preg images
  preg images -q
""",
)
_HEAD: Final = ("IMAGE", "DIGEST", "CREATED", "SIZE")


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    images = list(Images(config.load().home))
    if "--quiet" in options:
        sys.stdout.writelines(f"{image.manifest.digest}\n" for image in images)
        return 0
    rows = [
        (
            image.record.reference,
            image.manifest.digest.hex[:12],
            (image.config.created or "")[:10] or "-",
            _show_size(image.size),
        )
        for image in images
    ]
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    for row in (_HEAD, *rows):
        sys.stdout.write("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    return 0


def _show_size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
