"""Where layers are made: a process that becomes one more for each of them, so that they are made side by side.

It is opened while the rest of a command is still being imported, so this module imports little itself; and what makes
layers is imported once, however many there are.
"""

from __future__ import annotations

import os

from runtime.fork import fork
from runtime.lean import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.sockets import Socket

_waiting: Final[list[Workshop]] = []


class Workshop:
    """It ends with this process at the latest, and so does what is made in it."""

    def __init__(self) -> None:
        self._process, self._orders = fork(_work)

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


def _work(connection: Socket) -> None:
    from runtime.maker import work  # noqa: PLC0415 - not for those who order

    work(connection)
