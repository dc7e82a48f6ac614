"""Work on many bytes that would hold up everybody else."""

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Ts = TypeVarTuple("Ts")
R = TypeVar("R")

#: Less takes no longer than handing it to a thread does.
_SMALL: Final = 64 * 1024


async def offload(size: int, function: "Callable[[*Ts], R]", *arguments: *Ts) -> R:
    """Call a function that works on so many bytes: in a thread, where the event loop would have to wait for it."""
    if size <= _SMALL:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)
