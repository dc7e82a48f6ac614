"""Limits and restart policies that are changed while a container runs, waits, or is stopped."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.parts.required import require_root
from tests.runtime.conftest import Preg

Names = Callable[[], str]


def limit(pid: str, controller: str, *files: str) -> str:
    """What the first of these files of a process's control group says, in either version of control groups."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") or not controllers:
            for root in (f"/sys/fs/cgroup/{controller}", "/sys/fs/cgroup"):
                for name in files:
                    if (file := Path(f"{root}{path}/{name}")).exists():
                        return file.read_text().strip()
    raise AssertionError(f"no group of {pid} has any of {files}")


def test_a_running_container_gets_its_limits_at_once_and_keeps_them(
    host: Preg, image: str, oci_runtime: str, names: Names
) -> None:
    require_root()
    name = names()
    host.ok(
        "run", "-d", "--name", name, "--runtime", oci_runtime, "--device-cgroup-rule", "c 1:* r", image, "sleep", "1000"
    )
    words = ("--memory", "64m", "--memory-swap", "128m", "--pids-limit", "60", "--cpus", "0.5", "--cpu-shares", "512")
    assert host.ok("update", *words, name) == f"{name}\n"
    for _ in range(2):
        pid = host.ok("inspect", "-f", "State.Pid", name).strip()
        assert limit(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
        assert limit(pid, "pids", "pids.max") == "60"
        assert limit(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
        # What else is kept from it stays so.
        assert host.run("exec", name, "sh", "-c", "echo > /dev/full").returncode == 1
        host.ok("restart", "-t", "0", name)
    host.ok("update", "--pids-limit", "-1", name)
    pid = host.ok("inspect", "-f", "State.Pid", name).strip()
    assert limit(pid, "pids", "pids.max") == "max"
    host.ok("restart", "-t", "0", name)
    assert limit(host.ok("inspect", "-f", "State.Pid", name).strip(), "pids", "pids.max") == "max"
    assert "update" in host.ok("events", "--since", "1h", "--until", "0s", "--filter", f"container={name}")
    host.ok("rm", "-f", name)


def test_a_stopped_container_gets_them_when_it_starts(host: Preg, image: str, names: Names) -> None:
    require_root()
    name = names()
    host.ok("create", "--name", name, "-m", "32m", image, "sleep", "1000")
    host.ok("container", "update", "--memory", "48m", "--blkio-weight", "0", name)
    (described,) = json.loads(host.ok("inspect", name))
    assert (described["HostConfig"]["Memory"], described["HostConfig"]["MemorySwap"]) == (48 << 20, 64 << 20)
    host.ok("start", name)
    pid = host.ok("inspect", "-f", "State.Pid", name).strip()
    assert limit(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(48 << 20)
    host.ok("rm", "-f", name)


def test_a_policy_that_is_changed_counts_from_the_next_end_on(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "-i", "--name", name, image, "sh", "-c", "echo began; read line; exit 3")
    host.ok("update", "--restart", "on-failure:1", name)
    with host.following("logs", "-f", name) as lines:
        assert next(lines) == "began"
        host.run("attach", name, stdin="end\n")
        assert next(lines) == "began"
        host.ok("update", "--restart", "no", name)
        host.ok("kill", name)
        assert list(lines) == []
    assert (
        host.ok("inspect", "-f", "RestartCount,HostConfig.RestartPolicy.Name,State.Status", name) == "1\tno\texited\n"
    )


def test_what_cannot_be_is_refused_and_changes_nothing(host: Preg, image: str, names: Names) -> None:
    require_root()
    name = names()
    host.ok("create", "--name", name, "-m", "32m", "--cpu-period", "50000", image, "true")
    before = host.ok("inspect", "-f", "{{json .HostConfig}}", name)
    assert "say what is to change" in host.fails("update", name, status=2)
    assert "give --memory-swap at the same time" in host.fails("update", "-m", "1g", name)
    assert "use one way or the other" in host.fails("update", "--cpus", "1", name)
    assert "at least 6m" in host.fails("update", "-m", "1k", name)
    assert "a policy is" in host.fails("update", "--restart", "never", name, status=2)
    assert host.ok("inspect", "-f", "{{json .HostConfig}}", name) == before


def test_limits_that_the_engine_cannot_set_are_told(host: Preg, image: str, oci_runtime: str, names: Names) -> None:
    require_root()
    name = names()
    host.ok("run", "-d", "--name", name, "--runtime", oci_runtime, image, "sleep", "1000")
    said = host.fails("update", "--cpuset-cpus", "10000", name)
    assert said.startswith("the limits cannot be set: ")
    assert host.ok("inspect", "-f", "{{.HostConfig.CpusetCpus}}", name) == "\n"
    host.ok("rm", "-f", name)


@pytest.mark.parametrize("policy", ["always", "on-failure"])
def test_what_is_removed_at_its_end_cannot_be_started_again(host: Preg, image: str, names: Names, policy: str) -> None:
    name = names()
    host.ok("create", "--rm", "--name", name, image, "true")
    assert "made with --rm" in host.fails("update", "--restart", policy, name)
    host.ok("update", "--restart", "no", name)
    host.ok("rm", name)
