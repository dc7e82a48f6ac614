"""What goes wrong below containers: a clear sentence, the right exit status, and a host that is clean afterwards."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.parts.images import busybox, push
from tests.parts.mounts import unmount_below
from tests.parts.required import require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg


@pytest.fixture(scope="module")
def image(server: Server) -> str:
    push(server, "tests/busybox", "1", busybox("hello"))
    return f"{server.address}/tests/busybox:1"


@pytest.fixture(scope="module")
def pulled(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preg]:
    """A host with an image."""
    require_root()
    required("crun")
    preg = Preg(tmp_path_factory.mktemp("host") / "home")
    preg.ok("pull", image)
    yield preg
    unmount_below(preg.home)


@pytest.fixture
def host(pulled: Preg) -> Iterator[Preg]:
    """A host with an image, on which nothing is left after the test."""
    yield pulled
    pulled.clear()


def folder_of(host: Preg, name: str) -> Path:
    return host.home / "containers" / host.ok("inspect", "-f", "Id", name).strip()


# Stale and damaged notes


@pytest.mark.parametrize("torn", ["", "[]", '{"status": "ru', '{"status"'])
def test_a_state_that_the_power_cut_tore_is_that_of_a_container_that_ended(host: Preg, image: str, torn: str) -> None:
    for name in ("once", "again"):
        host.ok("run", "-d", "--name", name, "--network", "none", image, "true")
        host.ok("wait", name)
        (folder_of(host, name) / "state.json").write_text(torn)
    host.ok("create", "--name", "other", image)
    shutil.rmtree(host.state)
    assert host.ok("ps", "-a", "--format", "State,Names") == "created\tother\nexited\tagain\nexited\tonce\n"
    assert host.ok("inspect", "-f", "State.ExitCode", "once") == "255\n"
    assert host.ok("start", "once") == "once\n"
    assert host.ok("wait", "once") == "0\n"


def test_a_container_whose_state_is_lost_while_it_runs_can_be_ended(host: Preg, image: str) -> None:
    host.ok("run", "-d", "--name", "lost", "--network", "none", image, "sleep", "1000")
    (folder_of(host, "lost") / "state.json").write_text("")
    assert "is running: stop it first" in host.fails("rm", "lost")
    host.ok("stop", "-t", "0", "lost")
    assert host.ok("inspect", "-f", "State.Status,State.ExitCode", "lost") == "exited\t137\n"


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"name": 3, "restart": 5}', "\ud800"])
def test_a_description_that_is_damaged_costs_its_container_alone(host: Preg, image: str, damage: str) -> None:
    for name in ("damaged", "whole"):
        host.ok("create", "--name", name, "--restart", "always", "--network", "none", image, "true")
    (folder_of(host, "damaged") / "container.json").write_bytes(damage.encode(errors="surrogatepass"))
    listed = host.run("ps", "-a", "--format", "Names")
    assert (listed.returncode, listed.stdout) == (1, "whole\n")
    assert "says of its container cannot be read: save what you need, and remove it" in listed.stderr
    for words in (["start", "damaged"], ["inspect", "damaged"], ["system", "check", "--repair"], ["prune", "-f"]):
        done = host.run(*words)
        assert (done.returncode, "cannot be read" in done.stdout + done.stderr) == (1, True)
    assert "in use" in host.fails("create", "--name", "damaged", image)
    host.ok("run", "--rm", "--network", "none", image, "true")
    restored = host.run("system", "restore")
    assert (restored.returncode, restored.stdout) == (1, "")
    assert host.ok("rm", "damaged") == "damaged\n"
    host.ok("create", "--name", "damaged", image)


def test_a_damaged_container_that_runs_is_ended_and_removed(host: Preg, image: str) -> None:
    host.ok("run", "-d", "--name", "damaged", "--network", "none", image, "sleep", "1000")
    (folder_of(host, "damaged") / "container.json").write_text("{")
    assert host.ok("rm", "-f", "damaged") == "damaged\n"


# An engine that is killed


def strange_engine(folder: Path, oci_runtime: str, verb: str, call: str) -> str:
    """An engine one of whose processes is killed at a system call, when it is to carry out the verb."""
    engine = folder / Path(oci_runtime).name
    strace = f"{required('strace')} -qq -f -o /dev/null -e trace={call.partition(':')[0]}"
    name, _, when = call.partition(":")
    killed = f"{strace} -e inject={name}:signal=KILL{when and f':when={when}'} {oci_runtime}"
    engine.write_text(f'#!/bin/sh\ncase "$*" in *" {verb} "*) {killed} "$@";; *) exec {oci_runtime} "$@";; esac\n')
    engine.chmod(0o755)
    return str(engine)


@pytest.mark.parametrize("call", ["mount", "pivot_root", "write:3"])
def test_an_engine_that_is_killed_halfway_leaves_a_container_that_can_be_started(
    host: Preg, image: str, tmp_path: Path, call: str
) -> None:
    engine = strange_engine(tmp_path, required("crun"), "run", call)
    words = ("run", "-d", "--name", "halfway", "--network", "none", "--runtime", engine)
    assert "crun could not" in host.fails(*words, image, "sleep", "1000", status=125)
    assert host.ok("system", "check") == "all is well\n"
    shutil.copy(required("crun"), engine)
    assert host.ok("start", "halfway") == "halfway\n"


# A clock that was changed, and commands at once


@pytest.mark.parametrize("by", [10**9, -(10**9)])
def test_a_clock_that_was_changed_upsets_nobody(host: Preg, image: str, by: int) -> None:
    host.ok("run", "-d", "--name", "odd", "--restart", "always", "--network", "none", image, "sleep", "1000")
    for file, fields in (("state.json", ("started",)), ("container.json", ("created",))):
        path = folder_of(host, "odd") / file
        told = json.loads(path.read_text())
        path.write_text(json.dumps(told | {field: told[field] + by for field in fields}))
    assert host.ok("ps", "--format", "Names,State") == "odd\trunning\n"
    assert host.ok("ps", "--format", "Status").startswith("Up ")
    host.ok("restart", "-t", "0", "odd")
    host.ok("stop", "-t", "0", "odd")
    assert host.ok("inspect", "-f", "State.Status", "odd") == "exited\n"


def test_two_that_remove_the_same_without_force_leave_nothing(host: Preg, image: str) -> None:
    names = [f"gone-{number}" for number in range(3)]
    for name in names:
        host.ok("create", "--name", name, image)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: host.run("rm", *names), range(2)))
    for each in done:
        assert each.returncode == (1 if each.stderr else 0)
        assert all("no container" in line or "just now" in line for line in each.stderr.splitlines())
    assert host.ok("ps", "-aq") == ""
