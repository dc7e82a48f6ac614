"""Getting a supervisor, which takes as long to begin as all that a command does before it has an order for one.

So a command hires before anything else is imported but what both need.
"""

from __future__ import annotations

import os

import runtime.containers
import runtime.kernel
import runtime.order  # noqa: F401 - as the two before, for both of them once they part
from runtime.cgroup import hasten_ahead
from runtime.lean import signal
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: What an OCI runtime is given of our environment: what it needs to find its own helpers.
ENVIRON: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
#: What a person at the terminal may send to all that they have started.
_FROM_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_waiting: Final[list[Socket]] = []


def hire_ahead() -> None:
    """Hire one for whoever will ask first; who is not root has to enter a user namespace before."""
    if os.geteuid() == 0:
        _waiting.append(_hire())


def hire() -> Socket:
    """Give the socket for the order of a supervisor that has no container yet; it ends if that is closed."""
    return _waiting.pop() if _waiting else _hire()


def _hire() -> Socket:
    """Become two processes, of which one is the supervisor: a second interpreter would take longer to start."""
    ours, its = Socket.pair()
    # Until it has a session of its own, an interrupt would send it back into the command that it comes from.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_TERMINAL)
    if os.fork() == 0:
        try:
            _supervise(its.detach())
        finally:
            os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    its.close()
    return ours


def _supervise(connection: int) -> None:
    """Be a supervisor, which has nothing of the command's open but its standard streams."""
    os.setsid()
    os.closerange(3, connection)
    os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))
    # In time for the container, as the order takes as long to come.
    hasten_ahead()
    from runtime.supervisor import main  # noqa: PLC0415 - not for those who hire

    main(Socket(connection))
    os._exit(0)
