"""Commands that do something to containers named one after the other."""

from __future__ import annotations

import sys

from runtime import config
from runtime.containers import Containers
from runtime.errors import Fault, NotFound
from runtime.leftovers import sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.container import Container
    from runtime.network.networks import Networks


def here() -> Containers:
    """Give this host's containers, without those that have been killed."""
    place = config.load()
    containers = Containers(place.home, place.state)
    sweep(containers)
    return containers


def networks() -> Networks:
    """Give this host's networks."""
    from runtime.network.networks import Networks  # noqa: PLC0415 - needs sockets

    place = config.load()
    return Networks(place.home, place.state)


def each(containers: Containers, words: list[str], work: Callable[[Container], str | None], *, missing: int = 1) -> int:
    """Do the work for each container, and print its name as it was given, or what the work gives.

    A container that fails does not keep the others from being dealt with. Give the exit status, which is ``missing``
    if all that was wrong is that there is no such container.
    """
    status = 0
    for word in words:
        try:
            said = work(containers.find(word))
        except NotFound as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = status or missing
        except FileNotFoundError:
            sys.stderr.write(f"preg: the container {word!r} was removed just now\n")
            status = 1
        except (Fault, OSError) as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = 1
        else:
            sys.stdout.write(f"{word if said is None else said}\n")
            sys.stdout.flush()
    return status
