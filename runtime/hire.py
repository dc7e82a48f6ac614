"""Starting a supervisor, which takes as long as all that a command does before it has an order for one.

So a command hires before anything else is imported, and this module imports little itself.
"""

from __future__ import annotations

import os
import socket
import sys

from runtime.lean import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: What a supervisor, and with it an OCI runtime, is given of our environment: what it needs to find its own helpers.
ENVIRON: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_SUPERVISOR: Final = "import sys; sys.path.insert(0, sys.argv[1]); from runtime.supervisor import main; main()"
_waiting: Final[list[socket.socket]] = []


def hire_ahead() -> None:
    """Hire one for whoever will ask first; who is not root has to enter a user namespace before."""
    if os.geteuid() == 0:
        _waiting.append(_hire())


def hire() -> socket.socket:
    """Give the socket for the order of a supervisor that has no container yet; it ends if that is closed."""
    return _waiting.pop() if _waiting else _hire()


def _hire() -> socket.socket:
    ours, its = socket.socketpair()
    with its:
        os.posix_spawn(
            sys.executable,
            # Isolated and without site: half the memory, and nothing of the caller's environment.
            [sys.executable, "-I", "-S", "-c", _SUPERVISOR, os.path.dirname(os.path.dirname(__file__))],
            ENVIRON,
            file_actions=[(os.POSIX_SPAWN_DUP2, its.fileno(), 0)],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    return ours
