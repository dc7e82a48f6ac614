"""Health checks: what is asked and what images say, what is run, when, and what is told of it."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import frames as f
from runtime.cli.times import read_duration
from runtime.container import HealthCheck
from runtime.errors import UsageError
from runtime.executions import Executions
from runtime.health import Monitor
from runtime.health_check import OFF, HealthWish, decide
from runtime.image_config import HealthTest, Process
from tests.parts.images import Image, busybox, push
from tests.parts.process import ending
from tests.parts.server import Server
from tests.runtime.conftest import Preg

Names = Callable[[], str]
QUICK = ["--health-interval", "50ms", "--health-retries", "2"]


def inspect(host: Preg, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.ok("inspect", name))[0]
    return found


def wait_for(host: Preg, name: str, status: str) -> None:
    """Wait until a container's health has become something."""
    event = f"event=health_status: {status}"
    with host.following("events", "--since", "1h", "--filter", f"container={name}", "--filter", event) as lines:
        assert f"health_status: {status}" in next(lines)


def test_a_container_is_starting_then_healthy_then_unhealthy(
    host: Preg, image: str, names: Names, oci_runtime: str
) -> None:
    name = names()
    check = ["--health-cmd", "test ! -e /tmp/ill && echo fine"]
    host.ok("run", "-d", "--name", name, "--runtime", oci_runtime, *QUICK, *check, image, "sleep", "1000")
    wait_for(host, name, "healthy")
    assert "(healthy)" in host.ok("ps", "--filter", f"name={name}", "--filter", "health=healthy")
    health = inspect(host, name)["State"]["Health"]
    assert (health["Status"], health["FailingStreak"]) == ("healthy", 0)
    assert health["Log"][-1]["ExitCode"] == 0
    assert health["Log"][-1]["Output"] == "fine\n"
    host.ok("exec", name, "sh", "-c", "echo > /tmp/ill")
    wait_for(host, name, "unhealthy")
    health = inspect(host, name)["State"]["Health"]
    assert health["FailingStreak"] >= 2
    assert len(health["Log"]) <= 5
    assert "(unhealthy)" in host.ok("ps", "--filter", "health=unhealthy")
    assert name not in host.ok("ps", "--filter", "health=healthy")


def test_a_check_that_hangs_is_ended_and_has_failed(host: Preg, image: str, names: Names) -> None:
    name = names()
    options = [*QUICK, "--health-timeout", "100ms", "--health-cmd", "sleep 4242"]
    host.ok("run", "-d", "--name", name, *options, image, "sleep", "1000")
    wait_for(host, name, "unhealthy")
    (entry, *_) = inspect(host, name)["State"]["Health"]["Log"]
    assert (entry["ExitCode"], entry["Output"]) == (-1, "Health check exceeded timeout (0.1s)")
    assert host.ok("top", name).count("sleep 4242") <= 2


def test_the_images_check_counts_unless_it_is_switched_off(
    server: Server, host: Preg, repository: str, names: Names
) -> None:
    shell = busybox()
    check = {"Test": ["CMD", "true"], "Interval": 50_000_000, "Retries": 1}
    push(server, repository, "1", Image(shell.tars, {**shell.settings, "Healthcheck": check}))
    image, checked, unchecked = f"{server.address}/{repository}:1", names(), names()
    host.ok("run", "-d", "--name", checked, image, "sleep", "1000")
    wait_for(host, checked, "healthy")
    assert inspect(host, checked)["Config"]["Healthcheck"]["Test"] == ["CMD", "true"]
    host.ok("run", "-d", "--name", unchecked, "--no-healthcheck", image, "sleep", "1000")
    assert "Health" not in inspect(host, unchecked)["State"]
    assert inspect(host, unchecked)["Config"]["Healthcheck"] == {"Test": ["NONE"]}
    emptied = names()
    host.ok("create", "--name", emptied, "--health-cmd", "", image)
    assert inspect(host, emptied)["Config"]["Healthcheck"]["Test"] == ["CMD", "true"]
    assert unchecked in host.ok("ps", "--filter", "health=none")


def test_a_container_without_a_check_has_no_health(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("create", "--name", name, image)
    assert "Health" not in inspect(host, name)["State"]
    assert host.ok("inspect", "-f", "Config.Healthcheck,State.Health", name) == "null\tnull\n"
    assert "there is no field" in host.fails("inspect", "-f", "Config.Nothing", name, status=2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--health-interval", "5"], "500ms, 30s or 1h30m"),
        (["--health-retries", "x"], "it is a number"),
        (["--health-interval", "0.1ms", "--health-cmd", "true"], "at least 1ms"),
        (["--health-retries", "3"], "how to see whether the container is well"),
        (["--no-healthcheck", "--health-cmd", "true"], "excludes"),
        (["--log-driver", "journald"], "json-file, local, none"),
        (["--log-opt", "max-size=x"], "a size is a number"),
        (["--log-opt", "max-file=0"], "max-file"),
        (["--log-opt", "tag=x"], "it is max-size=SIZE, max-file=NUMBER"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant(options: list[str], sentence: str, host: Preg, image: str) -> None:
    assert sentence in host.fails("run", *options, image, status=125)


@pytest.mark.parametrize(
    ("wish", "images", "check"),
    [
        (HealthWish(), None, None),
        (HealthWish(), HealthTest(test=["NONE"]), OFF),
        (HealthWish(off=True), HealthTest(test=["CMD", "a"]), OFF),
        (HealthWish(), HealthTest(test=["CMD", "a"]), HealthCheck(["CMD", "a"], 30, 30, 0, 3)),
        (HealthWish(command="b"), HealthTest(test=["CMD", "a"], retries=9, interval=2 * 10**9),
         HealthCheck(["CMD-SHELL", "b"], 2, 30, 0, 9)),
        (HealthWish(interval=1, timeout=2, start_period=3, retries=4), HealthTest(test=["CMD", "a"], retries=9),
         HealthCheck(["CMD", "a"], 1, 2, 3, 4)),
        (HealthWish(start_period=3), HealthTest(test=["CMD", "a"], start_interval=2 * 10**9),
         HealthCheck(["CMD", "a"], 30, 30, 3, 3, 2)),
        (HealthWish(start_interval=1), HealthTest(test=["CMD", "a"], start_interval=2 * 10**9),
         HealthCheck(["CMD", "a"], 30, 30, 0, 3, 1)),
    ],
)  # fmt: skip
def test_what_is_asked_wins_over_what_the_image_says(
    wish: HealthWish, images: HealthTest | None, check: HealthCheck | None
) -> None:
    assert decide(wish, Process(healthcheck=images)) == check


@given(st.lists(st.integers(0, 2), max_size=12), st.integers(1, 4), st.booleans())
def test_so_many_failures_in_a_row_make_it_unhealthy(codes: list[int], retries: int, starting: bool) -> None:
    """Failures in the start period do not count before the first success."""
    reports: list[bool] = []
    listeners: list[Callable[[int, bytes], None]] = []

    def start(listener: Callable[[int, bytes], None]) -> Callable[[], None]:
        listeners.append(listener)
        return lambda: None

    period = 10_000.0 if starting else 0.0
    monitor = Monitor(
        HealthCheck(["CMD", "a"], 1, 1, period, retries), start, lambda *, changed: reports.append(changed)
    )
    expected, streak = "starting", 0
    for code in codes:
        monitor.wake(frozen=False)
        listeners[-1](f.EXIT, b"%d" % code)
        before = expected
        if code == 0:
            expected, streak = "healthy", 0
        elif not starting or expected != "starting":
            streak += 1
            expected = "unhealthy" if streak >= retries else expected
        assert (monitor.status, monitor.streak, reports[-1]) == (expected, streak, expected != before)
    assert len(monitor.log) == min(len(codes), 5)


@pytest.mark.parametrize(
    ("period", "codes", "interval"),
    [(0, [], 50), (100, [], 3), (100, [1, 1], 3), (100, [1, 0], 50), (100, [0, 1], 50)],
)
def test_checks_are_nearer_to_each_other_while_it_starts(period: float, codes: list[int], interval: float) -> None:
    """Until it is well for the first time, or the start period is over."""
    listeners: list[Callable[[int, bytes], None]] = []

    def start(listener: Callable[[int, bytes], None]) -> Callable[[], None]:
        listeners.append(listener)
        return lambda: None

    check = HealthCheck(["CMD", "a"], interval=50, timeout=1, start_period=period, retries=9, start_interval=3)
    before = time.monotonic()
    monitor = Monitor(check, start, lambda **_: None)
    for code in codes:
        monitor.wake(frozen=False)
        before = time.monotonic()
        listeners[-1](f.EXIT, b"%d" % code)
    assert before + interval <= monitor.due <= time.monotonic() + interval


def test_the_interval_of_the_start_is_asked_for(host: Preg, image: str, names: Names) -> None:
    name = names()
    start = ["--health-start-period", "1h", "--health-start-interval", "50ms"]
    host.ok(
        "run",
        "-d",
        "--name",
        name,
        "--health-cmd",
        "test -e /well",
        *start,
        image,
        "sh",
        "-c",
        "echo > /well; sleep 1000",
    )
    wait_for(host, name, "healthy")
    shown = inspect(host, name)["Config"]["Healthcheck"]
    assert (shown["Interval"], shown["StartInterval"]) == (30 * 10**9, 50 * 10**6)


def test_a_check_that_took_too_long_has_ended_before_the_next_one_begins() -> None:
    listeners: list[Callable[[int, bytes], None]] = []
    killed: list[int] = []

    def start(listener: Callable[[int, bytes], None]) -> Callable[[], None]:
        listeners.append(listener)
        return lambda: killed.append(len(listeners))

    monitor = Monitor(HealthCheck(["CMD", "a"], 0, 0, 0, 1), start, lambda **_: None)
    for _ in range(4):
        monitor.wake(frozen=False)
    assert (len(listeners), killed, monitor.status, monitor.streak) == (1, [1], "unhealthy", 1)
    listeners[-1](f.STARTED, b"1")
    listeners[-1](f.EXIT, b"137")
    assert (monitor.streak, len(monitor.log)) == (1, 1)
    monitor.wake(frozen=False)
    listeners[-1](f.EXIT, b"0")
    assert (len(listeners), monitor.status) == (2, "healthy")


#: Starts a process when the file ``gate`` in its directory is opened.
ENGINE = """
while [ "$1" != --pid-file ]; do shift; done
read -r _ < "${2%/*/*}/gate"
sleep 600 > /dev/null 2> /dev/null &
echo $! > "$2"
"""


def test_what_is_ended_while_its_engine_starts_it_ends_then(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    executions = Executions(str(tmp_path), "0", ["/bin/sh", "-c", ENGINE, "engine"], {"PATH": os.defpath})
    told: list[int] = []
    execution = executions.start({"args": ["a"]}, lambda kind, _: told.append(kind), stdin=False)
    execution.kill()
    (tmp_path / "gate").write_text("\n")
    engine, status = os.waitpid(execution.engine, 0)
    with ending(int(Path(execution.folder, "pid").read_text())):
        executions.reap(engine, status)
    executions.reap(execution.pid, 137)
    assert told == [f.STARTED, f.EXIT]


@given(st.text(alphabet="0123456789.hmsµx ", max_size=10))
def test_a_duration_is_read_whole_or_refused(text: str) -> None:
    try:
        assert read_duration(text, "--health-interval") >= 0
    except UsageError:
        return
    assert text == "0" or text[-1] in "hms"
