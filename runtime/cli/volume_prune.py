"""``preg volume prune``: remove the volumes that nothing uses."""

from typing import Final

from runtime import config
from runtime.cli.options import Option, Usage
from runtime.cli.pruning import FORCE, AskedFor, Pruned, agreed, read_asked_for, report
from runtime.cli.targets import here
from runtime.containers import Containers
from runtime.disk_usage import size_of_tree
from runtime.errors import Fault
from runtime.events import record
from runtime.rootless import enter
from runtime.volumes import Volumes, users_of

USAGE: Final = Usage(
    "volume prune [OPTION...]",
    "Remove the volumes without a name that no container uses.",
    (
        Option("--all", "Those with a name as well", short="-a"),
        Option("--filter", "Only those that have label or label! so", "KEY=VALUE", "", ("label", "label!")),
        FORCE,
    ),
    notes="""
Examples:
  preg volume prune -f
  preg volume prune --all --filter label=project=shop
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    is_asked_for = read_asked_for(options, ("label", "label!"))
    everything = "--all" in options
    what = "all volumes that no container uses" if everything else "the volumes without a name that no container uses"
    if not agreed(options, what):
        return 1
    enter()
    report(prune_volumes(here(), is_asked_for, everything=everything))
    return 0


def prune_volumes(containers: Containers, is_asked_for: AskedFor, *, everything: bool) -> Pruned:
    """Remove the volumes that no container uses, ``everything`` or only those that nobody has named."""
    volumes, used = Volumes(config.load().home), users_of(containers)
    removed, freed = [], 0
    for volume in volumes:
        wanted = (everything or volume.anonymous) and volume.name not in used
        # As Docker leaves what is mounted there: it takes no room of ours, and its options may be nowhere else.
        if not wanted or volume.options or not is_asked_for(volume.created, volume.labels):
            continue
        size = size_of_tree(volumes.data(volume.name))
        try:
            volumes.remove(volume.name, containers)
        except Fault:  # taken or removed just now
            continue
        removed.append(volume.name)
        freed += size
    record(containers.home, "prune", "", {"reclaimed": str(freed)}, kind="volume")
    return Pruned("Volumes", removed, freed)
