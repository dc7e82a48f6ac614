"""Who is in which network, as the names of files tell: a container that is in none leaves them all at no cost.

``networks/ID/ADDRESS@CONTAINER`` below the state directory is there for each container that is in a network.
"""

from __future__ import annotations

import os

from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def networks(state: str) -> list[str]:
    """Give the ID of every network that has, or has had, a container."""
    with suppress(FileNotFoundError):
        return [name for name in os.listdir(f"{state}/networks") if "." not in name]
    return []


def entries(state: str, network: str) -> list[tuple[str, str]]:
    """Give the address and the ID of each container in a network."""
    with suppress(FileNotFoundError):
        names = (name.partition("@") for name in os.listdir(f"{state}/networks/{network}"))
        return [(address, container) for address, at, container in names if at and "." not in container]
    return []


def entries_of(state: str, container: str) -> Iterator[tuple[str, str]]:
    """Give each network that a container is in, and its address there."""
    for network in networks(state):
        for address, owner in entries(state, network):
            if owner == container:
                yield network, address


def release(home: str, state: str, container: str) -> None:
    """Take a container that has ended out of its networks. Its cables go with its namespace."""
    for network, address in entries_of(state, container):
        from runtime.network.endpoints import Endpoints  # noqa: PLC0415 - for those who are in one

        members = Endpoints(state, network)
        with members.changing():
            left = members.leave(address, container)
        if left is not None:
            left.note(home, "disconnect")
