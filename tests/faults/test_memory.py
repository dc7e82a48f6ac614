"""A blob passes through the server without staying there: a large one costs no more memory than a small one."""

import contextlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.large import MIB, Talk, Zeros, upload
from tests.parts import server as server_part
from tests.parts.process import running
from tests.parts.required import require_root, required
from tests.parts.server import Server

SIZE = 2048
ALLOWED = 64 * MIB


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose storage is gone after the test: pytest would keep it for three runs."""
    with tempfile.TemporaryDirectory() as folder, server_part.serving(Path(folder)) as server:
        yield server


@pytest.fixture
def zeros(tmp_path: Path) -> Zeros:
    return Zeros.make(tmp_path / "zeros", SIZE)


def peak_memory(server: Server) -> int:
    """The most memory the server has ever held, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def test_2_gib_up_and_down_cost_a_few_mib(server: Server, repository: str, zeros: Zeros) -> None:
    server.blob(repository, server.push_blob(repository, b"so that all code is loaded"))
    before = peak_memory(server)
    assert upload(server, repository, zeros).status == 201
    uploaded = peak_memory(server) - before
    with contextlib.closing(Talk(server)) as talk:
        talk.begin("GET", f"/v2/{repository}/blobs/{zeros.digest}")
        assert talk.head().status == 200
        assert talk.count_zeros(zeros.size) == zeros.size
    assert uploaded < ALLOWED
    assert peak_memory(server) - before < ALLOWED


@pytest.mark.parametrize("spans", [[(3 * MIB + 1, 61 * MIB)], [(1, 20 * MIB), (30 * MIB, 61 * MIB)]])
def test_a_download_is_sent_by_the_kernel(
    server: Server, repository: str, tmp_path: Path, spans: list[tuple[int, int]]
) -> None:
    zeros = Zeros.make(tmp_path / "zeros", 64)
    assert upload(server, repository, zeros).status == 201
    wanted = ",".join(f"{start}-{stop - 1}" for start, stop in spans)
    with traced(server, tmp_path / "calls"), contextlib.closing(Talk(server)) as talk:
        talk.begin("GET", f"/v2/{repository}/blobs/{zeros.digest}", Range=f"bytes={wanted}")
        answer = talk.answer()
        assert (answer.status, len(answer.body)) == (206, int(answer.headers["Content-Length"]))
    moved = Counter[str]()
    for name, count in re.findall(r"(\w+)(?:\(| resumed).* = (\d+)$", (tmp_path / "calls").read_text(), re.MULTILINE):
        moved[name] += int(count)
    assert moved.pop("sendfile") == sum(stop - start for start, stop in spans)
    # What is left are the heads of the response and its parts, the log, and the event loop's own.
    assert moved.total() < MIB, moved


@contextlib.contextmanager
def traced(server: Server, log: Path) -> Iterator[None]:
    """Record the calls by which the server moves bytes."""
    require_root()
    calls = "sendfile,read,pread64,readv,recvfrom,sendto,sendmsg,write,writev,pwrite64,splice,copy_file_range"
    command = [required("strace"), "-f", "-p", str(server.process.pid), "-o", str(log), "-e", f"trace={calls}"]
    with running(command) as tracer:
        tracer.stderr.wait_for(lambda line: "attached" in line)
        yield
