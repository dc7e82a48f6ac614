"""When a container is started again by itself, and when it is not."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.container import Restart, State
from runtime.errors import UsageError
from runtime.restart import is_due, is_due_at_boot, next_delay, read_restart
from tests.runtime.conftest import Preg

Names = Callable[[], str]


def inspect(host: Preg, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.ok("inspect", name))[0]
    return found


def starts(host: Preg, name: str, count: int) -> None:
    """Wait until a container has been started so often."""
    with host.following("events", "--since", "1h", "-f", f"container={name}", "-f", "event=start") as lines:
        for _ in range(count):
            next(lines)


def test_on_failure_tries_again_so_often(host: Preg, image: str, names: Names, oci_runtime: str) -> None:
    name = names()
    words = ["--restart", "on-failure:2", "--runtime", oci_runtime, image]
    host.ok("run", "-d", "--name", name, *words, "sh", "-c", "echo again; exit 3")
    starts(host, name, 3)
    assert host.ok("wait", name) == "3\n"
    host.ok("stop", name)
    state = inspect(host, name)
    assert (state["RestartCount"], state["State"]["Status"], state["State"]["ExitCode"]) == (2, "exited", 3)
    assert host.ok("logs", name) == "again\n" * 3


def test_a_crash_is_started_again_until_a_person_stops_it(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, "--restart", "always", image, "sleep", "1000")
    os.kill(inspect(host, name)["State"]["Pid"], signal.SIGKILL)
    starts(host, name, 2)
    host.ok("exec", name, "true")
    host.ok("stop", "-t", "0", name)
    assert inspect(host, name)["State"]["Status"] == "exited"


def test_what_waits_to_be_started_again_can_be_stopped_and_restarted(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, "--restart", "always", image, "sh", "-c", "exit 1")
    starts(host, name, 5)  # the pause before the next is long by now
    host.ok("restart", name)
    host.ok("stop", name)
    assert inspect(host, name)["State"]["Status"] == "exited"


@pytest.mark.parametrize("words", [("kill",), ("kill", "-s", "HUP"), ("stop",)])
def test_what_waits_to_be_started_again_has_ended_when_it_is_killed(
    words: tuple[str, ...], host: Preg, image: str, names: Names
) -> None:
    name = names()
    host.ok("run", "-d", "--name", name, "--restart", "always", image, "sh", "-c", "exit 4")
    # By then it waits for seconds.
    status, count = "", "0"
    while status != "restarting" or int(count) < 5:
        status, count = host.ok("inspect", "-f", "State.Status,RestartCount", name).split()
    host.ok(*words, name)
    assert host.ok("inspect", "-f", "State.Status,State.ExitCode", name) == "exited\t4\n"
    assert "is not running" in host.fails("kill", name)


def test_what_runs_again_has_no_exit_status_and_the_time_of_its_last_end(host: Preg, image: str, names: Names) -> None:
    name = names()
    script = "test -e /ran && exec sleep 1000; echo > /ran; exit 7"
    host.ok("run", "-d", "--name", name, "--restart", "on-failure", image, "sh", "-c", script)
    while host.ok("inspect", "-f", "State.Status,RestartCount", name) != "running\t1\n":
        pass
    fields = "State.ExitCode,State.FinishedAt,State.StartedAt"
    code, finished, started = host.ok("inspect", "-f", fields, name).split()
    assert code == "0"
    assert "0002" < finished < started
    assert host.ok("ps", "--filter", f"name={name}", "--format", "Status").startswith("Up ")
    host.ok("stop", "-t", "0", name)
    host.ok("start", name)
    assert finished < host.ok("inspect", "-f", "State.FinishedAt", name).strip()


def test_remove_and_restart_exclude_each_other(host: Preg, image: str) -> None:
    assert "exclude each other" in host.fails("run", "--rm", "--restart", "always", image, status=125)


@pytest.mark.parametrize("text", ["sometimes", "always:3", "on-failure:x", "on-failure:-1"])
def test_other_policies_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a policy is"):
        read_restart(text)


def test_policies_are_read() -> None:
    assert read_restart("on-failure:5") == Restart("on-failure", 5)
    assert read_restart("") == Restart("no")


STATES = st.builds(
    State, exit_code=st.integers(0, 255), restarts=st.integers(0, 9), stopped=st.booleans(), health=st.none()
)


@given(STATES, st.integers(0, 9))
def test_who_was_stopped_stays_so_and_no_policy_does_nothing(state: State, retries: int) -> None:
    for policy in ("no", "on-failure", "always", "unless-stopped"):
        due = is_due(Restart(policy, retries if policy == "on-failure" else 0), state)
        assert not (due and (state.stopped or policy == "no"))
        if not state.stopped and policy in ("always", "unless-stopped"):
            assert due
        if policy == "on-failure" and due:
            assert state.exit_code
            assert retries == 0 or state.restarts < retries


def test_at_boot_always_is_stronger_than_stop_and_failure_needs_one() -> None:
    stopped = State("exited", started=1.0, stopped=True)
    cut_off = State("exited", started=1.0, cut_off=True, exit_code=255)
    assert not is_due_at_boot(Restart("always"), State())
    assert [is_due_at_boot(Restart(p), stopped) for p in ("no", "on-failure", "always", "unless-stopped")] == [
        False,
        False,
        True,
        False,
    ]
    assert [is_due_at_boot(Restart(p), cut_off) for p in ("no", "on-failure", "always", "unless-stopped")] == [
        False,
        True,
        True,
        True,
    ]


@given(st.lists(st.floats(0, 100), max_size=30))
def test_the_pause_doubles_up_to_a_minute_and_is_short_after_a_recovery(ran: list[float]) -> None:
    delay = 0.0
    for seconds in ran:
        before, delay = delay, next_delay(delay, seconds)
        assert 0.1 <= delay <= 60
        assert delay == 0.1 if seconds > 10 or not before else delay == min(before * 2, 60)
