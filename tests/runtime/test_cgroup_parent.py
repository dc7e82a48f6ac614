"""Control groups below one that was asked for: all that is done by a container's group is done there."""

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.parts.process import parent
from tests.parts.required import require_root
from tests.runtime.conftest import Preg

Names = Callable[[], str]


@pytest.fixture
def group() -> Iterator[str]:
    """A control group's name; nothing may be left below it."""
    require_root()
    name = f"tests-{uuid.uuid4()}"
    yield name
    for place in sorted(places(name), key=lambda path: len(path.parts), reverse=True):
        place.rmdir()


def places(name: str) -> list[Path]:
    return [
        path for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/*") for path in Path("/").glob(f"{root[1:]}/{name}/**/")
    ]


def below(group: str) -> set[str]:
    return {path.name for path in places(group)} - {group}


def test_a_container_is_below_the_group_and_leaves_it_empty(
    host: Preg, image: str, oci_runtime: str, names: Names, group: str
) -> None:
    name = names()
    words = ("--runtime", oci_runtime, "--cgroup-parent", f"/{group}/inner", "--memory", "64m")
    host.ok("run", "-d", "--name", name, *words, image, "sleep", "1000")
    identifier = host.ok("inspect", "-f", "{{.Id}}", name).strip()
    assert below(group) == {"inner", identifier}
    host.ok("pause", name)
    assert host.ok("inspect", "-f", "{{.State.Status}}", name) == "paused\n"
    host.ok("unpause", name)
    assert host.ok("stats", "--no-stream", "--format", "{{.PIDs}}", name) == "1\n"
    assert "sleep 1000" in host.ok("top", name)
    host.ok("update", "--pids-limit", "50", name)
    host.ok("update", "--pids-limit", "-1", name)
    host.ok("restart", "-t", "0", name)
    assert below(group) == {"inner", identifier}
    host.ok("rm", "-f", name)
    assert below(group) == {"inner"}


def test_a_container_that_loses_its_supervisor_is_ended_there(host: Preg, image: str, names: Names, group: str) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, "--cgroup-parent", group, image, "sleep", "1000")
    pid = int(host.ok("inspect", "-f", "{{.State.Pid}}", name))
    os.kill(parent(pid), signal.SIGKILL)
    assert host.ok("inspect", "-f", "{{.State.Running}}", name) == "false\n"
    assert below(group) == set()
    host.ok("rm", name)


@pytest.mark.parametrize("text", ["/a/../b", "..", "/", "a/./b"])
def test_what_is_no_group_is_refused(preg: Preg, text: str) -> None:
    assert "it is the path of a control group" in preg.fails("create", "--cgroup-parent", text, "nothing:1", status=2)
