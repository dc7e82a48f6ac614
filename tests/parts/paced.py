"""Runs preg's server, and tells of each step of its event loop that kept everybody waiting for too long.

What counts is the processor's time that the loop's own thread has taken: how busy the machine is does not.
"""

import asyncio
import contextlib
import runpy
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.parts.server import Server

#: Starts what tests.parts.server starts.
BY = [sys.executable, "-m", "tests.parts.paced"]
#: In seconds.
LIMIT = 0.05
MARK = "held up everybody"


def watch() -> None:
    """Measure every step from now on."""
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        before = time.thread_time()
        run(handle)
        taken = time.thread_time() - before
        if taken > LIMIT:
            task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
            coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
            # Nobody waits for what starts and ends the server.
            if getattr(coroutine, "__name__", "") != "serve":
                sys.stderr.write(f"{MARK} for {taken:.3f} s: {task or handle}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign]


def delays(lines: Iterable[str]) -> list[str]:
    """What a server said of steps that took too long."""
    return [line for line in lines if MARK in line]


@contextlib.contextmanager
def unhurried(server: "Server") -> Iterator[None]:
    """Fail if a step takes too long meanwhile, whatever is answered."""
    before = len(delays(server.process.stderr))
    yield
    with server.recording():
        pass  # all that was said is read by now
    assert delays(server.process.stderr)[before:] == []


if __name__ == "__main__":
    watch()
    # What is started is "python -m MODULE ...".
    _, _, _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")
