"""root's containers on a host that has cgroup v2 alone, as it seems in a mount namespace.

The controllers that this host has in its cgroup v1 are not there. crun insists on a privilege there that a host in a
container lacks (CAP_SYS_RESOURCE), so that it is runc that starts them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.parts import cgroups
from tests.parts.images import busybox, push
from tests.parts.required import require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg

_SCRIPT = 'umount --lazy /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'


@dataclass(frozen=True)
class Unified(Preg):
    """The ``preg`` command where there is cgroup v2 alone."""

    def command(self, *arguments: str) -> list[str]:
        return ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", *super().command(*arguments)]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Unified:
    require_root()
    return Unified(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def image(server: Server, host: Unified) -> str:
    push(server, "tests/busybox", "1", busybox("hello"))
    name = f"{server.address}/tests/busybox:1"
    host.ok("pull", name)
    return name


@pytest.fixture
def container(host: Unified, image: str) -> Iterator[str]:
    """One that runs, of which nothing may be left after the test."""
    script = "while :; do echo x; sleep 0.01; done"
    identifier = host.ok("run", "-d", "--runtime", required("runc"), image, "sh", "-c", script).strip()
    yield identifier
    host.ok("rm", "-f", identifier)
    assert host.left() == []
    assert identifier not in {group.name for group in cgroups.of_preg()}


def status(host: Unified, identifier: str) -> str:
    (described,) = json.loads(host.ok("inspect", identifier))
    return str(described["State"]["Status"])


def test_a_container_is_paused_measured_and_sees_its_own_groups_alone(host: Unified, container: str) -> None:
    host.ok("pause", container)
    assert status(host, container) == "paused"
    printed = host.ok("logs", container)
    assert host.ok("logs", container) == printed
    host.ok("unpause", container)
    (measured,) = host.ok("stats", "--no-stream", "--format", "json", container).splitlines()
    assert int(json.loads(measured)["PIDs"]) in {1, 2}
    assert host.ok("exec", container, "cat", "/proc/self/cgroup").splitlines()[-1] == "0::/"
    assert " Cgroup Driver: cgroupfs\n Cgroup Version: 2\n" in host.ok("info")


def test_a_paused_container_is_stopped(host: Unified, container: str) -> None:
    host.ok("pause", container)
    host.ok("stop", "-t", "0", container)
    assert status(host, container) == "exited"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--memory-swappiness", "10"), "of cgroup v1"),
        (("-m", "64m", "--oom-kill-disable"), "with memory, which this host keeps to itself"),
        (("--oom-kill-disable",), "of cgroup v1"),
        (("--cpus", "0.5", "--pids-limit", "10"), "with cpu and pids, which this host keeps to itself"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(
    host: Unified, image: str, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in host.fails("run", "--rm", *words, image, "true", status=125)
