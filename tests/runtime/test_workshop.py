"""The process in which layers are made: it answers each order, and outlives nobody who orders."""

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.config import EROFS
from runtime.lean import to_json
from runtime.maker import Order
from runtime.workshop import Workshop
from tests.parts.process import ending
from tests.parts.required import ROOT
from tests.runtime.archives import END, file

ARCHIVE = file(b"a", b"content") + END


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    opened = Workshop()
    yield opened
    opened.close()


def order(workshop: Workshop, folder: Path) -> tuple[socket.socket, int]:
    """Order a layer of which nothing has come yet."""
    layer = gzip.compress(ARCHIVE, mtime=0)
    (folder / "made").mkdir(parents=True)
    (folder / "coming").write_bytes(layer)
    digests = (f"sha256:{hashlib.sha256(content).hexdigest()}" for content in (layer, ARCHIVE))
    ours, its = socket.socketpair()
    answer, written = os.pipe()
    with its:
        workshop.order(its.fileno(), written)
    os.close(written)
    ours.sendall(to_json(Order(str(folder / "made"), EROFS, str(folder / "coming"), *digests)).encode() + b"\n")
    return ours, answer


def read(answer: int) -> bytes:
    with open(answer, "rb") as found:
        return found.read()


def test_orders_are_made_side_by_side(workshop: Workshop, tmp_path: Path) -> None:
    (slow, first), (quick, second) = (order(workshop, tmp_path / name) for name in ("slow", "quick"))
    for news, folder, answer in ((quick, "quick", second), (slow, "slow", first)):
        with news:
            news.sendall(b"%d\n" % (tmp_path / folder / "coming").stat().st_size)
        assert read(answer) == b"\n"
        assert (tmp_path / folder / "made/layer.tar").read_bytes() == ARCHIVE


def test_who_lets_go_of_an_order_is_told_what_came_instead(workshop: Workshop, tmp_path: Path) -> None:
    news, answer = order(workshop, tmp_path)
    news.close()
    assert f"the registry sent sha256:{hashlib.sha256().hexdigest()}".encode() in read(answer)


def test_what_is_half_made_ends_with_the_workshop(workshop: Workshop, tmp_path: Path) -> None:
    news, answer = order(workshop, tmp_path)
    with news:
        workshop.close()
        assert read(answer) == b""


def test_a_workshop_ends_when_whoever_has_opened_it_is_killed() -> None:
    program = (
        "import sys, time; from runtime.workshop import Workshop; "
        "print(Workshop()._process, flush=True); time.sleep(600)"  # of the private one, to watch it
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as opener:
        assert opener.stdout is not None
        with ending(int(opener.stdout.readline())):
            opener.send_signal(signal.SIGKILL)
