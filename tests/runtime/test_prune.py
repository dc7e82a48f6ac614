"""What 'container prune' and 'system prune' remove, and what 'system df' says takes room, beside docker."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.parts.docker import Docker
from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.required import require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg

WRITTEN = 100_000


@pytest.fixture(scope="module")
def image(server: Server) -> str:
    shell = busybox()
    push(server, "tests/pruned", "1", Image((*shell.tars, layer({"more": File(b"x" * 5000)})), shell.settings))
    push(server, "tests/pruned", "2", shell)
    return f"{server.address}/tests/pruned:1"


@pytest.fixture
def host(preg: Preg, image: str) -> Iterator[Preg]:
    require_root()
    required("crun")
    preg.ok("pull", image)
    yield preg
    for identifier in preg.ok("ps", "-aq").split():
        preg.ok("rm", "-f", "-v", identifier)
    preg.ok("network", "prune", "-f")


@pytest.fixture
def used(host: Preg, image: str) -> str:
    """The ID of a container that has ended, beside one that runs and has a volume."""
    host.ok("run", "-d", "--network", "none", "--name", "runs", "-v", "named:/data", image, "sleep", "1000")
    writes = ("sh", "-c", f"head -c {WRITTEN} /dev/zero > /file; head -c 7 /dev/zero > /volume/file")
    host.ok("run", "--network", "none", "--name", "ended", "--label", "a=b", "-v", "/volume", image, *writes)
    return host.ok("inspect", "-f", "{{.Id}}", "ended").strip()


def test_containers_that_do_not_run_are_pruned(host: Preg, used: str) -> None:
    nothing = "Total reclaimed space: 0B\n"
    assert host.ok("container", "prune", "-f", "--filter", "until=24h") == nothing
    assert host.ok("container", "prune", "-f", "--filter", "label!=a") == nothing
    assert host.run("container", "prune", stdin="n\n").returncode == 1
    assert host.ok("ps", "-aq", "--filter", "name=ended")
    expected = f"Deleted Containers:\n{used}\n\nTotal reclaimed space: 100kB\n"
    assert host.ok("container", "prune", "--filter", "label=a=b", stdin="y\n") == expected
    assert host.ok("ps", "-a", "--format", "{{.Names}}") == "runs\n"
    events = host.ok("events", "--since", "1h", "--until", "0s", "--filter", "event=prune", "--format", "{{json .}}")
    told = [json.loads(line) for line in events.splitlines()]
    assert [(event["Type"], event["Actor"]["Attributes"]["reclaimed"]) for event in told][-1] == ("container", "100000")


def test_a_damaged_container_does_not_keep_others_from_being_pruned(host: Preg, used: str, image: str) -> None:
    damaged = host.ok("create", "--name", "damaged", image).strip()
    (host.home / "containers" / damaged / "container.json").write_text("{")
    assert used in host.ok("container", "prune", "-f")
    assert host.run("ps", "-a").returncode == 1
    host.ok("rm", "-f", damaged)


def test_all_that_nothing_uses_is_pruned(host: Preg, used: str, image: str) -> None:
    host.ok("network", "create", "empty")
    host.ok("pull", image.replace(":1", ":2"))
    (anonymous,) = host.ok("volume", "ls", "-q", "--filter", "dangling=false").replace("named\n", "").split()
    first = host.ok("system", "prune", "-f")
    assert first == f"Deleted Containers:\n{used}\n\nDeleted Networks:\nempty\n\nTotal reclaimed space: 100kB\n"
    assert host.ok("system", "prune", "-f", "--volumes").startswith(f"Deleted Volumes:\n{anonymous}\n\nTotal")
    said = host.ok("system", "prune", "-f", "-a", "--volumes")
    assert said.startswith("Deleted Images:\nuntagged: ")
    assert image not in said
    assert host.ok("volume", "ls", "-q") == "named\n"
    assert host.ok("images", "--format", "{{.Tag}}") == "1\n"
    assert host.ok("exec", "runs", "echo", "unharmed") == "unharmed\n"


def test_system_prune_asks_and_tells_of_what(host: Preg, used: str) -> None:
    asked = host.run("system", "prune", "--volumes", stdin="\n")
    assert (asked.returncode, asked.stdout) == (1, "")
    for kind in ("all containers that do not run", "networks", "volumes without a name", "images that no tag leads to"):
        assert kind in asked.stderr
    assert "does not choose volumes" in host.fails("system", "prune", "--volumes", "--filter", "until=1h", status=2)
    assert host.ok("ps", "-aq", "--filter", "name=ended")


def test_the_default_networks_bridge_goes_with_system_prune(host: Preg, image: str) -> None:
    host.ok("run", "--rm", image, "true")
    (network,) = json.loads(host.ok("network", "inspect", "bridge"))
    bridge = network["Options"]["com.docker.network.bridge.name"]
    host.ok("system", "prune", "-f")
    links = host.ok("run", "--rm", "--network", "host", image, "ls", "/sys/class/net").split()
    assert bridge not in links
    host.ok("run", "--rm", image, "true")


def test_df_sums_up_what_takes_room(host: Preg, used: str, image: str) -> None:
    host.ok("pull", image.replace(":1", ":2"))
    rows = [json.loads(line) for line in host.ok("system", "df", "--format", "json").splitlines()]
    found = {row.pop("Type"): row for row in rows}
    assert {kind: (row["TotalCount"], row["Active"]) for kind, row in found.items()} == {
        "Images": ("2", "1"),
        "Containers": ("2", "1"),
        "Local Volumes": ("2", "2"),
        "Build Cache": ("0", "0"),
    }
    assert (found["Containers"]["Size"], found["Containers"]["Reclaimable"]) == ("100kB", "100kB (100%)")
    assert (found["Local Volumes"]["Size"], found["Local Volumes"]["Reclaimable"]) == ("7B", "0B (0%)")
    document = json.loads(host.ok("system", "df", "-v", "--format", "{{json .}}"))
    images = {row["Tag"]: row for row in document["Images"]}
    assert images["1"]["UniqueSize"] == "5kB"
    assert images["2"]["UniqueSize"] == "0B"
    assert images["1"]["SharedSize"] == images["2"]["SharedSize"] != "0B"
    assert [images[tag]["Containers"] for tag in "12"] == ["2", "0"]
    assert {row["Names"]: row["Size"] for row in document["Containers"]} == {"ended": "100kB", "runs": "0B"}
    assert {row["Name"]: (row["Links"], row["Size"]) for row in document["Volumes"]}["named"] == ("1", "0B")


def heads(text: str) -> list[list[str]]:
    """The heads of tables, and the lines between."""
    return [re.split(r" {2,}", line) for line in text.splitlines() if re.search(r"[A-Z]{4}|usage", line)]


def test_df_has_the_tables_of_docker(host: Preg, docker: Docker) -> None:
    assert heads(host.ok("system", "df")) == heads(docker("system", "df"))
    ours, theirs = heads(host.ok("system", "df", "-v")), heads(docker("system", "df", "-v"))
    assert ours == [head for head in theirs if head[0] != "CACHE ID"]


def test_ps_tells_sizes_only_if_they_are_wanted(host: Preg, used: str) -> None:
    head = host.ok("ps", "-a", "-s").splitlines()[0]
    assert re.split(r" {2,}", head)[-1] == "SIZE"
    rows = {line.split()[0]: line for line in host.ok("ps", "-as", "--format", "{{.Names}} {{.Size}}").splitlines()}
    assert re.fullmatch(r"ended 100kB \(virtual \S+B\)", rows["ended"])
    assert re.fullmatch(r"runs 0B \(virtual \S+B\)", rows["runs"])
    assert "virtual" not in host.ok("ps", "-a")
