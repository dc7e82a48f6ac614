"""Where layers are made: a process that becomes one more for each of them, so that they are made side by side.

It is opened while the rest of a command is still being imported, so this module imports little itself; and what makes
layers is imported once, however many there are.
"""

from __future__ import annotations

import os

from runtime.lean import signal
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_waiting: Final[list[Workshop]] = []


class Workshop:
    """It ends with this process at the latest, and so does what is made in it."""

    def __init__(self) -> None:
        self._orders, its = Socket.pair()
        # An interrupt in between would send the other process back into the command that it comes from.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        self._process = os.fork()
        if self._process == 0:
            try:
                _work(its.detach())
            finally:
                os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        its.close()

    def order(self, news: int, answer: int) -> None:
        """Have a layer made: the files are for ``runtime.maker``, which reads what is wanted from the first."""
        self._orders.send_files(b"\n", (news, answer))

    def close(self) -> None:
        """End it, and what is half made. Idempotent."""
        if self._process:
            self._orders.close()
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0


def open_ahead() -> None:
    """Open one for whoever will ask first; who is not root has to enter a user namespace before."""
    if os.geteuid() == 0 and not _waiting:
        _waiting.append(Workshop())


def open_workshop() -> Workshop:
    """Open one, or give the one that is open already."""
    return _waiting.pop() if _waiting else Workshop()


def close_unused() -> None:
    """Close what was opened ahead and nobody has asked for."""
    while _waiting:
        _waiting.pop().close()


def _work(connection: int) -> None:
    """Make what is ordered, with nothing of the command's open but its standard streams."""
    # Whoever gets an interrupt from the terminal as well will end us in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.closerange(3, connection)
    os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))
    from runtime.maker import work  # noqa: PLC0415 - not for those who order

    work(Socket(connection))
    os._exit(0)
