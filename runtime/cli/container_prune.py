"""``preg container prune``: remove the containers that do not run."""

from typing import Final

from runtime.cli.options import Usage
from runtime.cli.pruning import FILTER, FORCE, AskedFor, Pruned, agreed, read_asked_for, report
from runtime.cli.targets import here
from runtime.containers import Containers
from runtime.disk_usage import size_written
from runtime.errors import Fault
from runtime.events import record
from runtime.leftovers import look
from runtime.rootless import enter
from runtime.stop import remove

USAGE: Final = Usage(
    "container prune [OPTION...]",
    "Remove all containers that do not run, with all that they have written outside of volumes.",
    (FILTER, FORCE),
    notes="""
Examples:
  preg container prune -f
  preg container prune --filter until=24h --filter label!=keep
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    is_asked_for = read_asked_for(options)
    if not agreed(options, "all containers that do not run"):
        return 1
    enter()
    report(prune_containers(here(), is_asked_for))
    return 0


def prune_containers(containers: Containers, is_asked_for: AskedFor) -> Pruned:
    """Remove the containers that do not run; one that is damaged stays, for ``preg ps`` and ``rm`` tell of it."""
    removed, freed = [], 0
    for container in containers:
        try:
            description = container.describe()
            if look(containers, container).alive or not is_asked_for(description.created, description.labels):
                continue
            size = size_written(container)
            remove(containers, container, force=False, volumes=False)()
        except (Fault, FileNotFoundError):  # it is damaged, or was started or removed just now
            continue
        removed.append(container.id)
        freed += size
    record(containers.home, "prune", "", {"reclaimed": str(freed)})
    return Pruned("Containers", removed, freed)
