"""What a container has printed: kept, bounded, read again, and followed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.log import LogWriter, files, parse
from tests.parts.process import parent
from tests.runtime.conftest import Preg

Names = Callable[[], str]


def test_both_streams_are_kept_apart_and_in_order(host: Preg, image: str, names: Names, oci_runtime: str) -> None:
    name = names()
    host.ok("run", "--name", name, "--runtime", oci_runtime, image, "sh", "-c", "echo 1; echo 2 >&2; echo 3; printf 4")
    done = host.run("logs", name)
    assert (done.stdout, done.stderr) == ("1\n3\n4", "2\n")


def test_the_last_lines_and_those_of_a_time(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "-i", "--name", name, image, "sh", "-c", "echo 1; echo 2; read line; echo 3")
    with host.following("logs", "-f", name) as lines:
        assert [next(lines) for _ in range(2)] == ["1", "2"]
    # What is printed together has come at one time.
    assert host.ok("attach", name, stdin="go on\n") == "3\n"
    assert host.ok("logs", "--tail", "2", name) == "2\n3\n"
    assert host.ok("logs", "-n", "0", name) == ""
    stamped = host.ok("logs", "-t", name).splitlines()
    times = [line.partition(" ")[0] for line in stamped]
    assert [line.partition(" ")[2] for line in stamped] == ["1", "2", "3"]
    assert host.ok("logs", "--since", times[2], name) == "3\n"
    assert host.ok("logs", "--until", times[1], name) in {"1\n2\n", "1\n"}
    assert host.ok("logs", "--since", "1h", name) == "1\n2\n3\n"
    assert "it is a number of lines" in host.fails("logs", "--tail", "x", name, status=2)


def test_a_follower_sees_all_until_the_end(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "-i", "--name", name, image, "sh", "-c", "echo ready; sleep 1000")
    with host.following("logs", "-f", name) as lines:
        assert next(lines) == "ready"
        host.ok("kill", "-s", "KILL", name)
        assert list(lines) == []


def test_a_follower_ends_with_a_supervisor_that_is_killed(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, image, "sh", "-c", "echo ready; sleep 1000")
    pid = int(host.ok("inspect", "--format", "State.Pid", name))
    with host.following("logs", "-f", name) as lines:
        assert next(lines) == "ready"
        os.kill(parent(pid), signal.SIGKILL)
        assert list(lines) == []


def test_it_takes_no_more_room_than_was_said(host: Preg, image: str, names: Names) -> None:
    name, silent = names(), names()
    script = "i=0; while test $i -lt 3000; do i=$((i+1)); echo line $i; done"
    options = ["--log-opt", "max-size=20k", "--log-opt", "max-file=2"]
    host.ok("run", "--name", name, *options, image, "sh", "-c", script)
    kept = host.ok("logs", name).splitlines()
    assert kept[-1] == "line 3000"
    assert kept == [f"line {n}" for n in range(3001 - len(kept), 3001)]
    found = host.ok("inspect", "--format", "LogPath", name).strip()
    sizes = [path.stat().st_size for path in Path(found).parent.glob("output.log*")]
    assert len(sizes) == 2
    assert max(sizes) <= 21_000
    host.ok("run", "--name", silent, "--log-driver", "none", image, "echo", "x")
    assert "nothing of what" in host.fails("logs", silent)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_many_files_are_kept_as_was_said(count: int, tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    writer = LogWriter(path, 100, count)
    for number in range(50):
        writer.write(b"stdout", b"%d\n" % number)
    writer.close()
    kept = files(path)
    assert len(kept) == count
    numbers = [int(line.rpartition(" ")[2]) for name in kept for line in Path(name).read_text().splitlines()]
    assert numbers == list(range(numbers[0], 50))


@given(pieces=st.lists(st.tuples(st.sampled_from([b"stdout", b"stderr"]), st.binary(max_size=40)), max_size=20))
def test_what_is_printed_is_read_again(
    pieces: list[tuple[bytes, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    writer = LogWriter(str(path), 1_000_000, 1)
    for stream, data in pieces:
        writer.write(stream, data)
    writer.flush()
    writer.close()
    entries = [parse(line + b"\n") for line in path.read_bytes().split(b"\n") if line]
    for wanted in (b"stdout", b"stderr"):
        said = b"".join(e.text + (b"\n" if e.whole else b"") for e in entries if e is not None and e.stream == wanted)
        assert said == b"".join(data for stream, data in pieces if stream == wanted)
