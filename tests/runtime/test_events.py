"""What is written down of what happens, and who reads it, at once and later."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runtime.event_reader import read_events
from runtime.events import folder, parse, record
from tests.parts.images import data, push
from tests.parts.server import Server
from tests.runtime.conftest import Preg

Names = Callable[[], str]


def happened(host: Preg, *arguments: str) -> list[str]:
    """The actions that were written down."""
    lines = host.ok("events", "--since", "1h", "--until", "0s", "--format", "json", *arguments).splitlines()
    return [json.loads(line)["Action"] for line in lines]


def test_the_life_of_a_container_is_told_as_docker_tells_it(
    host: Preg, image: str, names: Names, oci_runtime: str
) -> None:
    name, other = names(), names()
    host.ok("run", "-d", "--name", name, "--label", f"a={name}", "--runtime", oci_runtime, image, "sleep", "1000")
    host.run("exec", name, "sh", "-c", "exit 3")
    host.ok("pause", name)
    host.ok("unpause", name)
    host.ok("stop", "-t", "0", name)
    host.ok("rename", name, other)
    host.ok("rm", other)
    assert happened(host, "--filter", f"label=a={name}") == [
        "create",
        "start",
        "exec_create: sh -c exit 3",
        "exec_start: sh -c exit 3",
        "exec_die",
        "pause",
        "unpause",
        "kill",
        "kill",
        "die",
        "stop",
        "rename",
        "destroy",
    ]
    (line,) = host.ok(
        "events", "--since", "1h", "--until", "0s", "--filter", f"container={name}", "-f", "event=die"
    ).splitlines()
    stamp, kind, action, identifier, attributes = line.split(" ", 4)
    assert stamp.endswith("Z")
    assert (kind, action, len(identifier)) == ("container", "die", 64)
    assert attributes == f"(a={name}, exitCode=137, image={image}, name={name})"


def test_a_template_takes_events_as_dockers_does(host: Preg, image: str, names: Names, runnable: str) -> None:
    name = names()
    host.ok("create", "--name", name, "--label", "a=b", "--network", "none", "--runtime", runnable, image)
    words = ("events", "--since", "1h", "--until", "0s", "--filter", f"container={name}", "--format")
    template = "{{.Type}} {{.Action}} {{.Status}} {{.From}} {{.Scope}} {{.Actor.Attributes.a}}|"
    assert host.ok(*words, template) == f"container create create {image} local b|\n"
    assert json.loads(host.ok(*words, "{{json .}}")) == json.loads(host.ok(*words, "json"))
    assert json.loads(host.ok(*words, "{{json .}}")).keys() >= {"status", "id", "Type", "Actor", "time", "timeNano"}
    assert "can't evaluate field Nothing in type *events.Message" in host.fails(*words, "{{.Nothing}}")
    assert "unclosed action" in host.fails(*words, "{{.Nothing", status=64)


def test_what_happens_while_the_command_is_loaded_is_told(host: Preg, image: str, names: Names, runnable: str) -> None:
    name = names()
    # The shell is the command once it has read a line, and was called before that.
    words = host.command("events", "--until", "0s", "--filter", f"container={name}", "--format", "{{.Action}}")
    with subprocess.Popen(
        ["sh", "-c", 'read line; exec "$@"', "sh", *words],
        env=host.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        host.ok("create", "--name", name, "--network", "none", "--runtime", runnable, image)
        assert command.communicate("go\n")[0] == "create\n"


def test_what_happens_to_images_is_told_as_docker_tells_it(
    server: Server, repository: str, preg: Preg, tmp_path: Path
) -> None:
    image, name = data("events", layers=1, size=100), f"{server.address}/{repository}"
    push(server, repository, "1", image)
    preg.ok("pull", "-q", f"{name}:1")
    preg.ok("tag", f"{name}:1", "other:2")
    preg.ok("push", f"{name}:1", f"{name}:3")
    preg.ok("save", "-o", str(tmp_path / "saved"), "other:2")
    preg.ok("rmi", "other:2")
    preg.ok("rmi", f"{name}:1")
    preg.ok("load", "-q", "-i", str(tmp_path / "saved"))
    told = preg.ok("events", "--since", "1h", "--until", "0s", "--format", "json", "-f", "type=image").splitlines()
    events = [(event["Action"], event["id"], event["Actor"]["Attributes"]) for event in map(json.loads, told)]
    assert events == [
        ("pull", f"{name}:1", {"name": f"{name}:1"}),
        ("tag", image.config_digest, {"name": "other:2"}),
        ("push", f"{name}:3", {"name": f"{name}:3"}),
        ("save", image.config_digest, {"name": image.config_digest}),
        ("untag", image.config_digest, {"name": "other:2"}),
        ("untag", image.config_digest, {"name": f"{name}:1"}),
        ("untag", image.config_digest, {"name": f"{name}@{image.digest}"}),
        ("delete", image.config_digest, {"name": image.config_digest}),
        ("load", image.config_digest, {"name": image.config_digest}),
    ]
    assert happened(preg, "-f", "image=other:2") == ["tag", "untag"]
    assert happened(preg, "-f", f"image={image.config_digest}", "-f", "event=save") == ["save"]
    assert happened(preg, "-f", "status=save", "-f", "scope=local") == ["save"]
    assert happened(preg, "-f", "scope=swarm") == []


def test_what_happens_to_volumes_is_told_as_docker_tells_it(
    host: Preg, image: str, names: Names, runnable: str
) -> None:
    volume, container = names(), names()
    mounts = ("-v", f"{volume}:/kept:ro", "-v", "/gone")
    host.ok("volume", "create", volume)
    host.ok("volume", "create", volume)  # nothing happens
    host.ok("run", "--rm", "--name", container, "--network", "none", "--runtime", runnable, *mounts, image, "true")
    host.ok("volume", "rm", volume)
    host.ok("volume", "prune", "-f")
    words = ("events", "--since", "1h", "--until", "0s", "--format", "json", "-f", "type=volume")
    told = [json.loads(line) for line in host.ok(*words).splitlines()]
    local = {"driver": "local"}
    kept = [event for event in told if event["id"] == volume]
    (identifier,) = {event["Actor"]["Attributes"]["container"] for event in kept if event["Action"] == "mount"}
    mounted = {"destination": "/kept", "propagation": "", "read/write": "false"}
    assert [(event["Action"], event["Actor"]["Attributes"]) for event in kept] == [
        ("create", local),
        ("mount", local | mounted | {"container": identifier}),
        ("unmount", local | {"container": identifier}),
        ("destroy", local),
    ]
    (gone,) = {event["id"] for event in told if event["Actor"]["Attributes"].get("destination") == "/gone"}
    assert happened(host, "-f", f"volume={gone}") == ["create", "mount", "unmount", "destroy"]
    assert (told[-1]["Action"], told[-1]["id"], told[-1]["Actor"]["Attributes"]) == ("prune", "", {"reclaimed": "0"})
    assert happened(host, "-f", f"volume={volume[:12]}", "-f", "event=mount") == ["mount"]


def test_a_clock_that_was_set_back_hides_nothing_that_happens_then(preg: Preg) -> None:
    tomorrow, before = time.time_ns() + 86_400_000_000_000, time.time_ns() - 1_000_000_000
    lines = [[stamp, "image", action, "id", {}] for stamp, action in ((tomorrow, "tag"), (before, "untag"))]
    (preg.home / "events").mkdir(parents=True)
    (preg.home / "events/log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert happened(preg) == ["untag"]


def test_what_is_told_later_is_told_at_once(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("create", "--name", name, image, "true")
    with host.following("events", "--since", "1h", "-f", f"container={name}", "--format", "json") as lines:
        assert json.loads(next(lines))["status"] == "create"
        host.ok("start", name)
        assert [json.loads(next(lines))["status"] for _ in range(2)] == ["start", "die"]


def test_what_cannot_be_meant(host: Preg) -> None:
    assert "it is KEY=VALUE" in host.fails("events", "--filter", "nonsense", status=2)
    assert "as they are, as json, or by a Go template" in host.fails("events", "--format", "yaml", status=2)


def test_the_files_are_bounded_and_a_reader_misses_nothing(tmp_path: Path) -> None:
    home = str(tmp_path)
    reader = read_events(home, until=None)
    filling = {"filling": "x" * 2000}
    record(home, "0", "id", filling)
    assert next(reader)["Action"] == "0"
    for number in range(1, 700):
        record(home, str(number), "id", filling)
    # More than one file was filled meanwhile: what is in the two that are kept is whole.
    seen = [int(next(reader)["Action"]) for _ in range(1)]
    sizes = [path.stat().st_size for path in Path(folder(home)).iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 1_100_000
    while seen[-1] != 699:
        seen.append(int(next(reader)["Action"]))
    assert seen == list(range(1, 700))


@given(st.binary(max_size=60))
def test_a_line_that_was_cut_off_is_passed_over(line: bytes) -> None:
    event = parse(line)
    assert event is None or set(event) >= {"Type", "Action", "Actor", "time"}


def test_a_full_disk_loses_events_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("in the way")
    record(str(tmp_path), "start", "id", {})
    assert os.listdir(tmp_path) == ["events"]
