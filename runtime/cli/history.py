"""``preg history``: tell how an image was made."""

import sys
from collections.abc import Iterator
from typing import Final

from runtime import config
from runtime.cli.image_filters import read_created, show_age
from runtime.cli.naming import get_record
from runtime.cli.options import Option, Usage
from runtime.cli.shared_options import ITS_PLATFORM
from runtime.cli.sizes import show_size
from runtime.cli.table import FORMAT, print_records
from runtime.cli.times import show_time
from runtime.errors import Fault
from runtime.image_history import History, Step
from runtime.images import Image, Images

_FIELDS: Final = ("ID", "CreatedSince", "CreatedAt", "CreatedBy", "Size", "Comment")
#: So much of a step's command is shown.
_WIDTH: Final = 45
USAGE: Final = Usage(
    "history [OPTION...] IMAGE",
    "Tell how an image was made, the last step first.",
    (
        Option("--human", "Sizes and times as people read them (default; --human=false for others)", short="-H"),
        Option("--no-trunc", "Print whole IDs and commands"),
        Option("--quiet", "Print IDs alone", short="-q"),
        ITS_PLATFORM,
        FORMAT._replace(choices=_FIELDS),
    ),
    notes=f"""
Fields: {", ".join(_FIELDS)}.

Examples:
  preg history localhost:5000/team/app:1
  preg history --no-trunc --format CreatedBy localhost:5000/team/app:1
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    images = Images(config.load().home)
    image = images.open(get_record(images, options.operands[0], options.all("--platform")))
    # On unless it was put off.
    human, wide = "--human" in options or options.last("--human") is None, "--no-trunc" in options
    records = list(_rows(images, image, human=human, wide=wide))
    form = options.last("--format")
    if "--quiet" in options:
        sys.stdout.writelines(f"{record['ID']}\n" for record in records)
    else:
        created = {"CreatedSince": "CREATED"} if human else {"CreatedAt": "CREATED AT"}
        columns = {"ID": "IMAGE", **created, "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT"}
        print_records(records, _FIELDS, columns, form)
    return 0


def _rows(images: Images, image: Image, *, human: bool, wide: bool) -> Iterator[dict[str, str]]:
    """Give a row for each step; the last is the image itself, those before it have no ID of their own."""
    identifier = image.id if wide else image.id.hex[:12]
    for step, size in reversed(_steps(images, image)):
        created = read_created(step.created)
        command = step.created_by.replace("\t", " ")
        yield {
            "ID": identifier,
            "CreatedSince": show_age(created),
            "CreatedAt": show_time(created),
            "CreatedBy": command if wide or len(command) <= _WIDTH else f"{command[: _WIDTH - 1]}…",
            "Size": show_size(size) if human else str(size),
            "Comment": step.comment,
        }
        identifier = "<missing>"


def _steps(images: Images, image: Image) -> list[tuple[Step, int]]:
    """Give each step with the size of what it has added; layers that no step tells of come first."""
    history = History.parse(images.read(image.id), image.id).history
    sizes = [images.layers.size(diff_id) for diff_id in image.config.rootfs.diff_ids]
    untold = len(sizes) - sum(not step.empty_layer for step in history)
    if untold < 0:
        raise Fault(f"the history of {image.id} tells of more layers than it has")
    steps = [*(Step() for _ in range(untold)), *history]
    left = iter(sizes)
    return [(step, 0 if step.empty_layer else next(left)) for step in steps]
