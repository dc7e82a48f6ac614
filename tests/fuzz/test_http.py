"""No request, however wrong, breaks the server: the answer is in the protocol's words, and the store stays whole."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path

from tests.faults.store import Store
from tests.fuzz.exchange import Connection, Request, Response, judge
from tests.fuzz.grammar import Client
from tests.parts import images
from tests.parts import server as server_part
from tests.parts.paced import BY, delays
from tests.parts.process import PATIENCE
from tests.parts.server import Server

REQUESTS = 20_000
CLIENTS = 8
# Of so many requests one is not even a request.
GARBAGE = 15
SHOWN = 2_000


async def test_no_request_breaks_the_server(tmp_path: Path) -> None:
    # pytest-randomly has seeded this, and prints with what: --randomly-seed repeats the run.
    seed = random.getrandbits(32)
    with server_part.serving(tmp_path / "storage", by=BY) as server:
        idle = open_files(server)
        statuses = Counter[int]()
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(send_all(server, Client(number, seed), statuses, f"seed {seed}, client {number}"))
        assert sum(statuses.values()) > REQUESTS * 0.9, statuses
        # A fuzz that is refused at the door finds nothing.
        assert {200, 201, 202, 204, 206, 400, 404, 405, 416, 431} <= set(statuses), statuses

        Store(server.storage).check(whole_images=False)
        image = images.data("after the fuzz", layers=2, size=1000)
        images.push(server, "after/the/fuzz", "1", image)
        assert server.stored("after/the/fuzz", "1").manifest == image.manifest
        assert not [line for line in server.process.stderr if "raceback" in line]
        assert delays(server.process.stderr) == []
        await closed(server, idle)


async def send_all(server: Server, client: Client, statuses: Counter[int], label: str) -> None:
    host, _, port = server.address.rpartition(":")
    connection = Connection(host, int(port))
    try:
        for number in range(REQUESTS // CLIENTS):
            sent, request, answering = draw(connection, client, garbage=number % GARBAGE == 0)
            answers: list[Response] = []
            try:
                answers = await answering
                for answer in answers:
                    judge(request, answer)
                    statuses[answer.status] += 1
                    client.learn(answer)
            except Exception as error:
                shown = "\n".join(f"{answer.status} {answer.headers} {answer.body[:SHOWN]!r}" for answer in answers)
                raise AssertionError(f"{label}, request {number}:\n{sent[:SHOWN]!r}\n{shown}") from error
    finally:
        await connection.close()


def draw(
    connection: Connection, client: Client, *, garbage: bool
) -> tuple[bytes, Request, Coroutine[object, object, list[Response]]]:
    """Choose what is sent next, and how."""
    if garbage:
        sent = client.garbage()
        return sent, Request(sent.partition(b" ")[0].decode("latin-1"), b""), connection.throw(sent)
    request = client.request()
    sent = request.encode()
    return sent, request, connection.throw(sent) if request.cut else once(connection, request)


async def once(connection: Connection, request: Request) -> list[Response]:
    return [await connection.exchange(request)]


def open_files(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


async def closed(server: Server, idle: int) -> None:
    """Wait until the server has let go of every connection and file."""
    async with asyncio.timeout(PATIENCE):
        while open_files(server) > idle:
            await asyncio.sleep(0.05)
