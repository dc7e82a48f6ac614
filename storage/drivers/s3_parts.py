"""How many parts may be on their way at once."""

import asyncio


class InFlight:
    """Bounds the bytes on their way to ``limit``, and one part more: a part may be larger than any bound."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._changed = asyncio.Condition()

    async def take(self, size: int) -> None:
        """Wait until a part may be sent."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._free > 0)
            self._free -= size

    async def give_back(self, size: int) -> None:
        """Tell that a part has arrived, or never will."""
        async with self._changed:
            self._free += size
            self._changed.notify_all()
