"""Getting a supervisor, which takes as long to begin as all that a command does before it has an order for one.

So a command hires before anything else is imported but what both need.
"""

from __future__ import annotations

import os

import runtime.containers
import runtime.kernel
import runtime.order  # noqa: F401 - as the two before, for both of them once they part
from runtime.cgroup import hasten
from runtime.config import CALLER
from runtime.fork import fork
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Hired(Socket):
    """The socket for the order of a supervisor, which ends if it is closed before."""

    def __init__(self, process: int, connection: Socket) -> None:
        super().__init__(connection.detach())
        self.process = process


_waiting: Final[list[Hired]] = []


def hire_ahead() -> None:
    """Hire one for whoever will ask first, if nobody has; who is not root has to enter a user namespace before."""
    if os.geteuid() == 0 and not _waiting:
        _waiting.append(_hire())


def hire() -> Hired:
    """Give one that has no container yet."""
    return _waiting.pop() if _waiting else _hire()


def _hire() -> Hired:
    return Hired(*fork(_supervise))


def _supervise(connection: Socket) -> None:
    os.setsid()
    if CALLER == 0:
        # In time for the container, as the order takes as long to come. Others will be moved by then.
        hasten()
    from runtime.supervisor import main  # noqa: PLC0415 - not for those who hire

    main(connection)
