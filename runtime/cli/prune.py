"""``preg prune``: remove the images that nobody needs, and whatever else takes room for nothing."""

from contextlib import suppress
from typing import Final

from runtime import config
from runtime.cli.image_filters import Filter, Listed, list_images, read_filters
from runtime.cli.options import Option, Usage
from runtime.cli.pruning import FORCE, Pruned, agreed, report
from runtime.containers import Containers
from runtime.errors import Fault
from runtime.events import record
from runtime.garbage import discard, find_garbage, look_around, measure
from runtime.images import Images
from runtime.rmi import Removal, Step
from runtime.workspace import open_workspace

EVERY_IMAGE: Final = "all images that no container uses"
DANGLING_IMAGES: Final = "all images that no tag leads to"
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
    options, images = USAGE.parse(arguments), Images(config.load().home)
    everything = "--all" in options
    is_asked_for = read_filters(options.all("--filter"), _FILTERS, images)
    if not agreed(options, EVERY_IMAGE if everything else DANGLING_IMAGES):
        return 1
    report(prune_images(images, is_asked_for, everything=everything))
    return 0


def prune_images(images: Images, is_asked_for: Filter, *, everything: bool) -> Pruned:
    """Remove the images that no container uses, ``everything`` or only those without a tag, and what nothing needs."""
    containers = Containers(images.home, config.load().state)
    with open_workspace(images) as workspace, images.removing():
        removal = Removal(images, containers, workspace, keep_layers=True)
        steps: list[Step] = []
        for listed in list_images(images):
            if (everything or listed.dangling) and is_asked_for(listed):
                steps += _remove(images, removal, listed)
        garbage = find_garbage(images, look_around(images, containers))
        freed = measure(images, garbage)
        discard(images, garbage, workspace)
    record(images.home, "prune", "", {"reclaimed": str(freed)}, kind="image")
    return Pruned("Images", [f"{step.kind.lower()}: {step.what}" for step in steps], freed)


def _remove(images: Images, removal: Removal, listed: Listed) -> list[Step]:
    """Remove what of an image can be: one that is used stays, and that is no fault."""
    steps: list[Step] = []
    # Looked up one by one: the last tag of a repository takes its digests along.
    found = (images.find(name) for name in listed.names) if listed.names else iter([listed.image.record])
    for each in found:
        with suppress(Fault):
            steps += removal.remove(each, force=False) if each is not None else ()
    return steps
