"""Becoming two processes, for a second interpreter takes as long to start as all that a quick command does."""

from __future__ import annotations

import os
import sys

from runtime.lean import signal
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

#: What a person at the terminal sends to all that they have started.
_FROM_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def fork(serve: Callable[[Socket], None]) -> tuple[int, Socket]:
    """Start a process that serves us over a socket, and ends with that: give its ID and our end.

    It has nothing of ours open but the standard streams, and hears no signal from the terminal.
    """
    ours, its = Socket.pair()
    # Blocked before, for an interrupt would send it back into the command that it comes from.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_TERMINAL)
    process = os.fork()
    if process == 0:
        _serve(serve, its.detach())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    its.close()
    return process, ours


def _serve(serve: Callable[[Socket], None], connection: int) -> None:
    status = 1
    try:
        os.closerange(3, connection)
        os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))
        serve(Socket(connection))
        status = 0
    except BaseException:  # noqa: BLE001 - told as Python does at the end of a process
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)
