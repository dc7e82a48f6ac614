"""Control groups of a user other than root, whom a real systemd gives them."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parts.images import busybox, push
from tests.parts.process import ending, kill, parent
from tests.parts.required import required
from tests.parts.server import Server
from tests.parts.unprivileged import unprivileged
from tests.parts.user_systemd import GROUP, logged_in
from tests.runtime.test_rootless import Rootless


@pytest.fixture(scope="module")
def host() -> Iterator[Rootless]:
    with unprivileged() as user, logged_in(user) as session:
        made = Rootless(user.home / "preg", user=session)
        yield made
        for left in made.ok("ps", "-aq").split():  # by a test that failed
            made.run("rm", "-f", left)


@pytest.fixture(scope="module")
def image(host: Rootless, server: Server) -> str:
    push(server, "tests/delegation", "1", busybox("hello"))
    name = f"{server.address}/tests/delegation:1"
    host.ok("pull", name)
    return name


@pytest.fixture(params=["crun", "runc"])
def container(host: Rootless, image: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """One that runs, of which nothing may be left after the test."""
    script = "while :; do sleep 0.01; echo x; done"
    identifier = host.ok("run", "-d", "--runtime", required(request.param), image, "sh", "-c", script).strip()
    yield identifier
    host.ok("rm", "-f", identifier)
    assert host.left() == []


def state(host: Rootless, identifier: str) -> dict[str, object]:
    (described,) = json.loads(host.ok("inspect", identifier))
    found: dict[str, object] = described["State"]
    return found


def group_of(pid: object) -> str:
    """The group of cgroup v2 that a process is in."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    (found,) = [line.removeprefix("0::") for line in lines if line.startswith("0::")]
    return found


def test_a_container_has_a_group_of_its_own_beside_that_of_its_supervisor(host: Rootless, container: str) -> None:
    pid = int(str(state(host, container)["Pid"]))
    scope = f"{GROUP}/preg.slice/preg-{container}.scope"
    assert group_of(pid).endswith(f"{scope}/container")
    assert group_of(parent(pid)).endswith(f"{scope}/supervisor")
    script = "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/more || echo shut"
    *_, own, shut = host.ok("exec", container, "sh", "-c", script).splitlines()
    assert (own, shut) == ("0::/", "shut")


def test_a_container_is_paused_measured_and_stopped(host: Rootless, container: str) -> None:
    host.ok("pause", container)
    assert state(host, container)["Status"] == "paused"
    assert "is paused" in host.fails("exec", container, "true")
    printed = host.ok("logs", container)
    assert host.ok("logs", container) == printed
    host.ok("unpause", container)
    (measured,) = host.ok("stats", "--no-stream", "--format", "json", container).splitlines()
    assert int(json.loads(measured)["PIDs"]) in {1, 2}
    host.ok("pause", container)
    host.ok("stop", "-t", "0", container)
    assert state(host, container)["ExitCode"] == 128 + signal.SIGKILL


def test_every_start_has_a_new_scope(host: Rootless, container: str) -> None:
    for _ in range(3):
        host.ok("restart", "-t", "0", container)
        host.ok("stop", "-t", "0", container)
        host.ok("start", container)
        assert group_of(state(host, container)["Pid"]).endswith(f"/preg-{container}.scope/container")


def test_whoever_is_left_by_a_killed_supervisor_is_ended(host: Rootless, container: str) -> None:
    pid = int(str(state(host, container)["Pid"]))
    with ending(pid):
        kill(parent(pid))
        host.ok("ps")
    assert state(host, container)["Status"] == "exited"


def test_limits_that_systemd_was_not_given_are_refused(host: Rootless, image: str) -> None:
    said = host.fails("run", "--rm", "-m", "64m", "--cpus", "1", image, "true", status=125)
    assert said.startswith("the limits need control groups with cpu and memory, which your systemd has not been given:")
    assert "Delegate=" in said
    told = host.run("info")
    assert "Cgroup Driver: systemd" in told.stdout
    assert "Delegate=" in told.stderr
    assert "loginctl enable-linger" in told.stderr
    assert host.left() == []


def test_without_the_help_of_systemd_a_container_runs_with_a_warning(host: Rootless, image: str) -> None:
    # From a group of root's their systemd may move nobody, and there is no other that it could ask to.
    assert host.user.group
    roots = host.user.group.parents[3] / "roots"
    roots.mkdir()
    elsewhere = replace(host, user=replace(host.user, group=roots))
    done = elsewhere.run("run", "--rm", image, "echo", "runs")
    assert done.stdout == "runs\n"
    assert done.stderr.startswith("preg: warning: your systemd gives the container no control groups: ")
    *_, said = elsewhere.run("run", "--rm", "-m", "64m", image, "true").stderr.splitlines()
    assert said.startswith("preg: limits such as --memory and --cpus are kept by control groups, and you have none: ")
