"""``preg update``: change the limits of containers, and when they are started again."""

from typing import Final

from runtime.bundle import Wishes
from runtime.cli.container_options import RESOURCES, RESTART
from runtime.cli.options import Options, Usage
from runtime.cli.resource_options import ask_resources, check_resources
from runtime.cli.targets import each, here
from runtime.errors import Fault, UsageError
from runtime.resources import Resources
from runtime.restart import read_restart
from runtime.update import Update, update

#: Those that Docker changes, too.
_CHANGED: Final = (
    *("--memory", "--memory-swap", "--memory-reservation", "--cpus", "--cpu-shares", "--cpu-period", "--cpu-quota"),
    *("--cpuset-cpus", "--cpuset-mems", "--pids-limit", "--blkio-weight"),
)
USAGE: Final = Usage(
    "update [OPTION...] CONTAINER...",
    "Change what containers may use of this host, and when they are started again. It counts at once for those that\n"
    "run, and for all from their next start on.",
    (RESTART, *(option for option in RESOURCES.options if option.name in _CHANGED)),
    notes="""
Examples:
  preg update --memory 1g --memory-swap 2g --cpus 1.5 web
  preg update --restart unless-stopped web db
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    if not any(options.all(option.name) for option in USAGE.options):
        raise UsageError("say what is to change: 'preg update --help' lists what can")
    asked = ask_resources(options, Wishes(), whole=False).resources
    restart = options.last("--restart")
    wanted = Update(lambda known: _change(known, asked, options), None if restart is None else read_restart(restart))
    containers = here()
    return each(containers, options.operands, lambda container: update(containers, container, wanted))


def _change(known: Resources, asked: Resources, options: Options) -> Resources:
    """Put what is asked for in the place of what there is, by Docker's rules. Raises Fault and UsageError."""
    given = {name: value for name, value in asked._asdict().items() if options.all(f"--{name.replace('_', '-')}")}
    if asked.nano_cpus:
        given["nano_cpus"] = asked.nano_cpus
    changed = known._replace(**{name: value for name, value in given.items() if value or name == "pids_limit"})
    if known.memory and not asked.memory_swap:
        swap = known.memory_swap or 2 * known.memory
        if 0 < swap < changed.memory:
            raise Fault("--memory is more than memory and swap together may be: give --memory-swap at the same time")
        changed = changed._replace(memory_swap=swap)
    check_resources(changed)
    return changed
