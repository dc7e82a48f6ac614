"""What an engine leaves of a container: its control groups, and what it has written down."""

from __future__ import annotations

import os

from runtime import cgroup
from runtime.lean import suppress
from runtime.process import spawn
from runtime.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.order import Order


def remove(order: Order) -> None:
    """Remove what is left of a container that has ended; the engine can do so itself, but takes as long as to start."""
    try:
        cgroup.remove(order.group)
        remove_tree(order.remains)
    except OSError:
        _delete(order)


def remove_half_made(order: Order) -> None:
    """Remove what is left of a container that could not be started, its processes with it."""
    _delete(order)
    with suppress(OSError):  # what an engine that was killed knows nothing of
        cgroup.kill(order.group)
        cgroup.remove(order.group)
        remove_tree(order.remains)


def _delete(order: Order) -> None:
    """Have the engine end the container and forget it, whatever its state."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        os.waitpid(spawn([*order.delete, order.identifier], order.environ, (null, null, null)), 0)
    finally:
        os.close(null)
