"""``preg system prune``: remove all that nothing uses."""

from typing import Final

from runtime import config
from runtime.cli.container_prune import prune_containers
from runtime.cli.network_prune import prune_networks
from runtime.cli.options import Option, Usage
from runtime.cli.prune import DANGLING_IMAGES, EVERY_IMAGE, prune_images
from runtime.cli.pruning import FILTER, FORCE, agreed, read_asked_for, report
from runtime.cli.targets import here
from runtime.cli.volume_prune import prune_volumes
from runtime.errors import UsageError
from runtime.images import Images
from runtime.rootless import enter

USAGE: Final = Usage(
    "system prune [OPTION...]",
    "Remove the containers that do not run, and the networks, images and layers that nothing uses then.",
    (
        Option("--all", "Remove images with tags as well, unless a container uses them", short="-a"),
        Option("--volumes", "Remove the volumes without a name that no container uses as well"),
        FILTER,
        FORCE,
    ),
    notes="""
Of the default network, the bridge and the rules go as well while no container is in it; the next container has them
made again.

Examples:
  preg system prune -f
  preg system prune -a --volumes --filter label!=keep
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    is_asked_for = read_asked_for(options)
    everything, volumes = "--all" in options, "--volumes" in options
    if volumes and any(text.startswith("until=") for text in options.all("--filter")):
        raise UsageError("--filter until= does not choose volumes: leave it out, or --volumes")
    images = EVERY_IMAGE if everything else DANGLING_IMAGES
    kinds = ["all containers that do not run", "all networks that no running container is in", images]
    if volumes:
        kinds.insert(2, "the volumes without a name that no container uses")
    if not agreed(options, f"{', '.join(kinds[:-1])} and {kinds[-1]}"):
        return 1
    containers = here()
    # First, for a user's networks are not within the user namespace that the rest is done in.
    networks = prune_networks(is_asked_for)
    enter()
    pruned = [prune_containers(containers, is_asked_for), networks]
    if volumes:
        pruned.append(prune_volumes(containers, is_asked_for, everything=False))
    pruned.append(
        prune_images(
            Images(config.load().home),
            lambda listed: is_asked_for(listed.created, listed.labels),
            everything=everything,
        )
    )
    report(*pruned)
    return 0
