"""Which containers are listed, and as what."""

import json
import re
from collections.abc import Callable

import pytest

from runtime.cli.ps import show_status
from runtime.container import State
from tests.runtime.conftest import Preg

Names = Callable[[], str]


def listed(host: Preg, *arguments: str) -> set[str]:
    return set(host.ok("ps", "--format", "Names", *arguments).split())


def test_the_table_is_dockers(host: Preg, image: str, names: Names) -> None:
    name = names()
    identifier = host.ok("run", "-d", "--name", name, image, "sleep", *["1000"] * 4).strip()
    head, row = host.ok("ps").splitlines()
    assert re.split(r"\s{2,}", head) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    pattern = rf'{identifier[:12]}   {re.escape(image)}   "sleep 1000 1000 100…"   .* ago   Up .*   {name}'
    assert re.fullmatch(pattern, row)
    assert '"sleep 1000 1000 1000 1000"' in host.ok("ps", "--no-trunc")
    assert host.ok("ps", "-q", "--no-trunc") == f"{identifier}\n"


def test_what_runs_what_does_not_and_what_passes_a_filter(host: Preg, image: str, names: Names) -> None:
    running, failed, made = names(), names(), names()
    host.ok("run", "-d", "--name", running, "--label", "a=b", image, "sleep", "1000")
    host.run("run", "--name", failed, "--label", "a=c", image, "false")
    host.ok("create", "--name", made, image)
    assert listed(host) == {running}
    assert listed(host, "-a") == {running, failed, made}
    assert listed(host, "-l") == listed(host, "-n", "1") == {made}
    for filters, found in {
        "status=exited": {failed},
        "status=created": {made},
        "exited=1": {failed},
        "exited=0": set(),
        "name=test-": {running, failed, made},
        "label=a": {running, failed},
        "label=a=c": {failed},
        f"ancestor={image}": {running, failed, made},
        "health=none": {running, failed, made},
    }.items():
        assert listed(host, "-a", "--filter", filters) == found, filters
    assert listed(host, "-a", "-f", "status=created", "-f", "status=exited", "-f", "label=a") == {failed}


def test_each_is_an_object_for_programs(host: Preg, image: str, names: Names) -> None:
    name = names()
    host.ok("create", "--name", name, "--label", "x=y", image)
    record = json.loads(host.ok("ps", "-a", "--format", "json"))
    assert record["Names"] == name
    assert (record["State"], record["Status"], record["Labels"]) == ("created", "Created", "x=y")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--filter", "nonsense"], "it is KEY=VALUE"),
        (["--filter", "status=odd"], "a status is"),
        (["--filter", "exited=x"], "is a number"),
        (["--filter", "health=odd"], "a health is"),
        (["--last", "x"], "is a number"),
        (["--format", "Nothing"], "there is no field 'Nothing'"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant(arguments: list[str], sentence: str, host: Preg, image: str, names: Names) -> None:
    host.ok("create", "--name", names(), image)
    assert sentence in host.fails("ps", "-a", *arguments, status=2)


def test_a_status_is_said_in_dockers_words() -> None:
    assert show_status(State(), paused=False) == "Created"
    assert show_status(State("exited", exit_code=3), paused=False).startswith("Exited (3) ")
    assert show_status(State("restarting", exit_code=1), paused=False).startswith("Restarting (1) ")
    assert show_status(State("running"), paused=True).endswith(" (Paused)")
    assert show_status(State("running", health={"Status": "starting"}), paused=False).endswith(" (health: starting)")
    assert show_status(State("running", health={"Status": "unhealthy"}), paused=False).endswith(" (unhealthy)")
