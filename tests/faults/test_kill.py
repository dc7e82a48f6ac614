"""kill -9 at any moment: nothing that was acknowledged is lost, and nothing half-published is seen."""

import http.client
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.pushing import Acknowledged, Push
from tests.faults.store import Store
from tests.parts import server as server_part
from tests.parts.server import Server

PUSHES = 200
# So many run at once, and are cut off together.
TOGETHER = 5
# About as many steps as such pushes take together.
STEPS = 130


class Fuse:
    """Kills a server at a step that was chosen beforehand."""

    def __init__(self, server: Server, steps: int) -> None:
        self._pid = server.process.pid
        self._left = steps
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(self._pid, signal.SIGKILL)


def test_a_server_killed_in_200_pushes_loses_nothing_and_shows_nothing_half_done(tmp_path: Path) -> None:
    # pytest-randomly has seeded this, and prints with what: --randomly-seed repeats the choices.
    choose = random.Random(random.getrandbits(32))
    lives: list[Acknowledged] = []
    finished = 0
    for life in range(PUSHES // TOGETHER):
        server = server_part.start(tmp_path)
        try:
            if lives:
                lives[-1].check(server)
            lives.append(Acknowledged())
            Push(f"first of {life}", f"life/{life}", "first").run(server, lives[-1])
            finished += push_until_killed(server, life, choose, lives[-1])
        finally:
            server.process.kill()
        Store(tmp_path).check()
    with server_part.serving(tmp_path) as server:
        for acknowledged in lives:
            acknowledged.check(server)
    # Were all pushes over before the kill, or none begun, nothing would have been tried.
    assert 0 < finished < PUSHES * 0.9, finished


def push_until_killed(server: Server, life: int, choose: random.Random, acknowledged: Acknowledged) -> int:
    """Push several images at once while the server dies; how many of the pushes came to their end."""
    fuse = Fuse(server, choose.randrange(1, STEPS))
    pushes = [Push(f"{life} {n}", f"life/{life}", f"tag-{n}", fuse.step) for n in range(TOGETHER)]
    with ThreadPoolExecutor(TOGETHER) as pool:
        return sum(pool.map(lambda push: finishes(push, server, acknowledged), pushes))


def finishes(push: Push, server: Server, acknowledged: Acknowledged) -> bool:
    try:
        push.run(server, acknowledged)
    except (OSError, http.client.HTTPException):
        return False
    return True
