"""Getting a supervisor, which takes as long to begin as all that a command does before it has an order for one.

So a command hires before anything else is imported but what both need.
"""

from __future__ import annotations

import os

import runtime.containers
import runtime.kernel
import runtime.order  # noqa: F401 - as the two before, for both of them once they part
from runtime.cgroup import hasten
from runtime.fork import fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.sockets import Socket

_waiting: Final[list[Socket]] = []


def hire_ahead() -> None:
    """Hire one for whoever will ask first, if nobody has; who is not root has to enter a user namespace before."""
    if os.geteuid() == 0 and not _waiting:
        _waiting.append(_hire())


def hire() -> Socket:
    """Give the socket for the order of a supervisor that has no container yet; it ends if that is closed."""
    return _waiting.pop() if _waiting else _hire()


def _hire() -> Socket:
    return fork(_supervise)[1]


def _supervise(connection: Socket) -> None:
    os.setsid()
    # In time for the container, as the order takes as long to come.
    hasten()
    from runtime.supervisor import main  # noqa: PLC0415 - not for those who hire

    main(connection)
