"""Files that are read again when they change."""

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from auth.errors import AuthMisconfigured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LOG: Final = logging.getLogger("preg.auth")
#: How often a file is looked at, in seconds.
_EVERY: Final = 1.0
#: No file system's clock is coarser than that, in seconds: a younger file may change once more and look the same.
_TICK: Final = 3.0

T = TypeVar("T")


class Watched(Generic[T]):
    """What a file says. A change that cannot be used is logged, and what was read before still holds.

    ``read`` makes the value from the file and raises AuthMisconfigured; so does the constructor, which reads at once.
    """

    def __init__(
        self, path: "Path", read: "Callable[[Path], T]", *, clock: "Callable[[], float]" = time.monotonic
    ) -> None:
        self._path = path
        self._read = read
        self._clock = clock
        self._seen: tuple[int, ...] | None = None
        self._complaint = ""
        self._reading = asyncio.Lock()
        self._look()
        self.value: T = read(path)
        self._next = clock() + _EVERY

    async def current(self) -> T:
        """Give what the file says now, or said within the last second."""
        if self._clock() >= self._next:
            async with self._reading:
                if self._clock() >= self._next:
                    await self._refresh()
        return self.value

    async def _refresh(self) -> None:
        try:
            if self._look():
                self.value = await asyncio.to_thread(self._read, self._path)
                if self._complaint:
                    _LOG.info("%s can be used again", self._path)
                self._complaint = ""
        except AuthMisconfigured as error:
            self._complain(str(error))
        self._next = self._clock() + _EVERY

    def _look(self) -> bool:
        """Tell whether the file is another than the one that was read."""
        try:
            status = os.stat(self._path)
        except OSError:
            # Reading it will tell why.
            self._seen = None
            return True
        found = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        changed = found != self._seen
        self._seen = found if time.time() - status.st_ctime > _TICK else None
        return changed

    def _complain(self, message: str) -> None:
        """Log once what is wrong, although the file is looked at every second."""
        if message != self._complaint:
            _LOG.error("a change cannot be used, so what %s said before still holds: %s", self._path, message)
        self._complaint = message
