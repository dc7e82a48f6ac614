"""Commands that do something to containers named one after the other."""

from __future__ import annotations

import sys

from runtime import config
from runtime.containers import Containers
from runtime.errors import Fault, NotFound, in_words
from runtime.leftovers import sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from runtime.container import Container
    from runtime.network.networks import Networks

#: As docker, and no more connections than a process may have.
_AT_ONCE: Final = 50


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
        status = _do(word, lambda word=word: work(containers.find(word)), missing) or status  # type: ignore[misc]
    return status


def each_at_once(
    containers: Containers, words: list[str], begin: Callable[[Container], Callable[[], object]], *, missing: int = 1
) -> int:
    """Do the same for work that takes time: ``begin`` returns what waits for its end, for some containers at once."""
    status = 0
    for at in range(0, len(words), _AT_ONCE):
        some = words[at : at + _AT_ONCE]
        for word, finish in [(word, _begin(containers, word, begin)) for word in some]:
            status = _do(word, finish, missing) or status
    return status


def _begin(
    containers: Containers, word: str, begin: Callable[[Container], Callable[[], object]]
) -> Callable[[], str | None]:
    """Begin the work: return what ends it, or says why it could not be begun."""
    try:
        finish = begin(containers.find(word))
    except (Fault, OSError) as error:
        raised = error

        def fail() -> None:
            raise raised

        return fail

    def end() -> None:
        finish()

    return end


def _do(word: str, work: Callable[[], str | None], missing: int) -> int:
    """Do the work for a container, and print its name or what the work gives; return the exit status."""
    try:
        said = work()
    except NotFound as fault:
        sys.stderr.write(f"preg: {fault}\n")
        return missing
    except FileNotFoundError:
        sys.stderr.write(f"preg: the container {word!r} was removed just now\n")
        return 1
    except (Fault, OSError) as fault:
        sys.stderr.write(f"preg: {in_words(fault)}\n")
        return 1
    sys.stdout.write(f"{word if said is None else said}\n")
    sys.stdout.flush()
    return 0
