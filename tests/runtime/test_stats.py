"""What containers use of the host."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.sizes import show_memory, show_size
from runtime.stats import Sample, processor_share
from tests.runtime.conftest import Preg

Names = Callable[[], str]


def test_each_container_is_measured(host: Preg, image: str, names: Names, oci_runtime: str) -> None:
    busy, idle, ended = names(), names(), names()
    options = ["-d", "-i", "--runtime", oci_runtime, "-m", "64m"]
    for name, script in ((busy, "while :; do :; done"), (idle, "read line")):
        host.ok("run", *options, "--name", name, image, "sh", "-c", f"echo ready; {script}")
        with host.following("logs", "-f", name) as lines:
            assert next(lines) == "ready"
    host.ok("run", "--name", ended, image, "true")
    lines = host.ok("stats", "--no-stream", "--format", "json").splitlines()
    rows = {row["Name"]: row for row in map(json.loads, lines)}
    assert set(rows) == {busy, idle}
    assert float(rows[busy]["CPUPerc"].rstrip("%")) > float(rows[idle]["CPUPerc"].rstrip("%"))
    for row in rows.values():
        assert row["MemUsage"].endswith(" / 64MiB")
        assert 0 < float(row["MemPerc"].rstrip("%")) < 100
        assert row["PIDs"] == "1"
    head, row = host.ok("stats", "--no-stream", ended).splitlines()
    assert head.startswith("CONTAINER ID   NAME")
    assert row.split()[1:] == [ended, "0.00%", "0B", "/", "0B", "0.00%", "0B", "/", "0B", "0B", "/", "0B", "0"]
    assert ended in host.ok("stats", "--no-stream", "--all", "--format", "Name")


def test_a_stream_goes_on_until_it_is_interrupted(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, image, "sleep", "1000")
    with host.following("stats", "--format", "Name", name) as lines:
        assert [next(lines) for _ in range(2)] == [name, name]


def test_what_cannot_be_measured(host: Preg) -> None:
    assert "there is no container 'nosuch'" in host.fails("stats", "--no-stream", "nosuch")


@pytest.mark.parametrize(
    ("size", "memory", "plain"),
    [(0, "0B", "0B"), (1023, "1023B", "1.02kB"), (1536, "1.5KiB", "1.54kB"), (64 << 20, "64MiB", "67.1MB")],
)
def test_sizes_are_dockers(size: int, memory: str, plain: str) -> None:
    assert (show_memory(size), show_size(size)) == (memory, plain)


@given(*[st.integers(0, 2**62) for _ in range(4)])
def test_a_share_is_never_negative(own: int, system: int, later_own: int, later_system: int) -> None:
    share = processor_share(Sample(processor=own, system=system), Sample(processor=later_own, system=later_system))
    assert share >= 0
