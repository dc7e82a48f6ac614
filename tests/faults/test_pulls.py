"""`preg pull` when the network is cut, the disk is full, or it is killed: nothing is left, and the next one works."""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.config import DIRECTORIES, EROFS
from tests.parts.fault_proxy import Call, cut_in_the_body, faulty
from tests.parts.images import data, push
from tests.parts.process import PATIENCE, output
from tests.parts.required import require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg

MODES = pytest.mark.parametrize("mode", [DIRECTORIES, EROFS])


@pytest.fixture
def preg(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> Preg:
    if mode == EROFS:
        require_root()
    required("crun")  # or 'preg system check' complains
    own = Preg(tmp_path / "home")
    environ = {**own.environ, "PREG_LAYERS": mode}
    monkeypatch.setattr(Preg, "environ", environ)
    return own


def is_download(call: Call) -> bool:
    return call.head.startswith(b"GET ") and b"/blobs/" in call.head.partition(b"\r\n")[0]


def is_clean(preg: Preg) -> bool:
    """Nothing is half done, and what is here fits together."""
    return list((preg.home / "new").iterdir()) == [] and preg.run("system", "check").stdout == "all is well\n"


@MODES
def test_a_download_that_is_cut_goes_on_where_it_was(server: Server, repository: str, preg: Preg) -> None:
    image = data("cut", layers=2, size=3 << 20)
    push(server, repository, "1", image)

    def cut(call: Call) -> None:
        if is_download(call) and b"\r\nrange: " not in call.head.lower():
            cut_in_the_body(call)
        else:
            call.answer(*call.forward())

    with faulty(server.url) as proxy:
        proxy.plan(cut)
        name = f"{proxy.endpoint.removeprefix('http://')}/{repository}:1"
        assert preg.ok("pull", "-q", name) == f"{name}\n"
        downloads = [line for line in proxy.calls if line.startswith("GET ") and "/blobs/" in line]
    assert len(downloads) == 2 * 3
    assert is_clean(preg)


@contextlib.contextmanager
def stuck(server: Server) -> Iterator[tuple[str, threading.Event]]:
    """A registry that stops in the middle of a layer; the event says that it has."""
    reached, end = threading.Event(), threading.Event()

    def stop(call: Call) -> None:
        head, body = call.forward()
        if is_download(call) and len(body) > 1 << 20:
            call.answer(head, body[: len(body) // 2])
            reached.set()
            end.wait()
            call.hang_up()
        else:
            call.answer(head, body)

    with faulty(server.url) as proxy:
        proxy.plan(stop)
        try:
            yield proxy.endpoint.removeprefix("http://"), reached
        finally:
            end.set()


@MODES
def test_a_pull_that_is_killed_leaves_nothing_that_the_next_minds(server: Server, repository: str, preg: Preg) -> None:
    image = data("killed", layers=2, size=3 << 20)
    push(server, repository, "1", image)
    with stuck(server) as (address, reached):
        command = preg.command("pull", f"{address}/{repository}:1")
        with subprocess.Popen(command, env=preg.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as pull:
            came = reached.wait(PATIENCE)
            pull.send_signal(signal.SIGKILL)
            assert came
            # It is read to its end when the processes that make layers are gone, too.
            pull.communicate()
    assert not is_clean(preg)
    name = f"{server.address}/{repository}:1"
    assert preg.ok("pull", "-q", name) == f"{name}\n"
    assert is_clean(preg)


@pytest.mark.parametrize("mode", [DIRECTORIES])  # the kernel mounts no EROFS from a file on tmpfs
def test_a_full_disk_is_one_sentence_and_nothing_stays(server: Server, repository: str, preg: Preg) -> None:
    require_root()
    image = data("full", layers=2, size=3 << 20)
    push(server, repository, "1", image)
    name = f"{server.address}/{repository}:1"
    preg.home.mkdir()
    output("mount", "-t", "tmpfs", "-o", "size=4m", "preg-test", str(preg.home))
    try:
        said = preg.run("pull", "-q", name)
        assert said.returncode == 1
        assert "cannot be kept: No space left on device" in said.stderr
        assert said.stderr.endswith("free some space there and pull again\n")
        assert said.stderr.count("\n") == 1
        assert is_clean(preg)
        output("mount", "-o", "remount,size=40m", str(preg.home))
        assert preg.ok("pull", "-q", name) == f"{name}\n"
    finally:
        output("umount", str(preg.home))
