"""``preg network prune``: remove the networks that nobody uses."""

import sys
from typing import Final

from runtime.cli.options import Usage
from runtime.cli.pruning import FORCE, agreed
from runtime.cli.targets import here, networks
from runtime.network.bridge import remove
from runtime.network.plan import DEFAULT, read_plan

USAGE: Final = Usage(
    "network prune [OPTION...]",
    "Remove every network that no container, running or not, is in.",
    (FORCE,),
    notes="""
Example:
  preg network prune -f
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    containers, known = here(), networks()
    used = {a.network for container in containers for a in read_plan(container.directory).attachments}
    unused = [network.name for network in known if network.name != DEFAULT and network.id not in used]
    if unused and not agreed(options, f"the networks {', '.join(unused)}"):
        return 1
    for name in unused:
        remove(known, name)
        sys.stdout.write(f"{name}\n")
    return 0
