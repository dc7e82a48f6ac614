"""``preg prune``: remove the images that nobody needs, and whatever else takes room for nothing."""

from contextlib import suppress
from typing import Final

from runtime import config
from runtime.cli.image_filters import Listed, list_images, read_filters
from runtime.cli.options import Option, Usage
from runtime.cli.pruning import FORCE, agreed, report
from runtime.containers import Containers
from runtime.errors import Fault
from runtime.garbage import discard, find_garbage, look_around, measure
from runtime.images import Images
from runtime.rmi import Removal, Step
from runtime.workspace import open_workspace

_FILTERS: Final = ("until", "label")
USAGE: Final = Usage(
    "prune [OPTION...]",
    "Remove images that no tag leads to and no container uses, and the layers that nothing needs.",
    (
        Option("--all", "Those with tags as well, unless a container uses them", short="-a"),
        Option(
            "--filter",
            "Remove those made before (until=10m, until=2026-01-31), or with a label",
            "KEY=VALUE",
            "",
            ("until", "label", "label!"),
        ),
        FORCE,
    ),
    notes="""
Examples:
  preg prune
  preg prune -a -f --filter until=240h --filter label!=keep
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, here = USAGE.parse(arguments), config.load()
    images, containers = Images(here.home), Containers(here.home, here.state)
    everything = "--all" in options
    is_asked_for = read_filters(options.all("--filter"), _FILTERS, images)
    what = "all images that no container uses" if everything else "all images that no tag leads to"
    if not agreed(options, what):
        return 1
    with open_workspace(images) as workspace, images.removing():
        removal = Removal(images, containers, workspace, keep_layers=True)
        steps: list[Step] = []
        for listed in list_images(images):
            if (everything or listed.dangling) and is_asked_for(listed):
                steps += _remove(images, removal, listed)
        garbage = find_garbage(images, look_around(images, containers))
        freed = measure(images, garbage)
        discard(images, garbage, workspace)
    report("Images", [f"{step.kind.lower()}: {step.what}" for step in steps], freed)
    return 0


def _remove(images: Images, removal: Removal, listed: Listed) -> list[Step]:
    """Remove what of an image can be: one that is used stays, and that is no fault."""
    steps: list[Step] = []
    # Looked up one by one: the last tag of a repository takes its digests along.
    records = (images.find(name) for name in listed.names) if listed.names else iter([listed.image.record])
    for record in records:
        with suppress(Fault):
            steps += removal.remove(record, force=False) if record is not None else ()
    return steps
