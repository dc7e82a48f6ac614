"""``preg create``: make a container without starting it."""

from __future__ import annotations

import os
import sys

from runtime import config
from runtime import frames as f
from runtime.cli.container_options import OPTIONS, make, read_wanted
from runtime.cli.options import Usage
from runtime.cli.shared_options import STREAMS
from runtime.containers import Containers
from runtime.manner import Manner
from runtime.rootless import enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.container import Container

USAGE: Final = Usage(
    "create [OPTION...] IMAGE [COMMAND [ARGUMENT...]]",
    "Make a container, and print its ID. 'preg start' starts it.",
    (*STREAMS.options, *OPTIONS),
    notes="""
Example:
  preg create --name job localhost:5000/app && preg start -a job
""",
    operands=(1, 1),
    command_follows=True,
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    shown = STREAMS.read(options, Manner()).shown
    # Whoever starts it with -i is the one whose input it reads.
    wanted = read_wanted(options, typed=True, shown=[kind for kind in shown if kind != f.STDIN])
    enter()
    here = config.load()
    container, held = make(here, options, wanted)
    try:
        _fill_volumes(container)
    except BaseException:
        Containers(here.home, here.state).remove(container, volumes=True)
        raise
    finally:
        container.unregister()
        Containers(here.home, here.state).unmount_volumes(container)
        os.close(held)
    sys.stdout.write(f"{container.id}\n")
    return 0


def _fill_volumes(container: Container) -> None:
    """Fill volumes now, as Docker does: other containers may take them before this one starts."""
    if any(mount["kind"] == "volume" for mount in container.describe().wishes["mounts"]):
        from runtime.roots import mounted  # noqa: PLC0415 - most containers have none

        with mounted(container):
            pass
