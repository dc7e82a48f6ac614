"""``preg tag``: give an image of this host another name."""

from typing import Final

from runtime import config
from runtime.cli.naming import get_record, read_reference
from runtime.cli.options import Usage
from runtime.errors import UsageError
from runtime.images import Images
from runtime.workspace import open_workspace

USAGE: Final = Usage(
    "tag IMAGE NAME[:TAG]",
    "Give an image of this host another name. If the name stands for another image, that loses it.",
    notes="""
Example:
  preg tag localhost:5000/team/app:1 registry.example/team/app:stable
""",
    operands=(2, 2),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    source, target = USAGE.parse(arguments).operands
    name = read_reference(target)
    if name.digest is not None:
        raise UsageError(f"{target} names a digest, which cannot be given: write NAME:TAG")
    images = Images(config.load().home)
    with open_workspace(images) as workspace, images.using():
        record = get_record(images, source)
        workspace.name(record, name)
    images.note("tag", record.image, name.familiar)
    return 0
