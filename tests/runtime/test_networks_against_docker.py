"""Commands and options of networks do what docker's do: the rows that take an engine with networks of its own."""

import json
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.parts import docker
from tests.parts.images import busybox, push
from tests.parts.netns import netns
from tests.parts.server import Server
from tests.runtime.conftest import Preg
from tests.runtime.docker_network_table import NETWORK_ROWS
from tests.runtime.docker_table import ROWS
from tests.runtime.test_against_docker import DockerSide, Side
from tests.runtime.test_network import Host

pytestmark = pytest.mark.xdist_group("docker")

TABLE = [(name, option, row) for name, rows in NETWORK_ROWS.items() for option, row in rows.items()]
_SEEN = re.compile(r"(?!10\.99\.|127\.|0\.0\.0\.0)\b\d+\.\d+\.\d+\.\d+(/\d+)?")


@dataclass(frozen=True)
class NetworkSide(Side):
    """preg, with addresses that it has chosen made alike."""

    def _normal(self, text: str) -> str:
        return _SEEN.sub("<address>", super()._normal(text))


@dataclass(frozen=True)
class DockerNetworkSide(NetworkSide, DockerSide):
    """Docker, as well."""


@pytest.fixture(scope="module")
def sides(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """preg and docker, each on a host of its own."""
    image, home = busybox("hello\n"), tmp_path_factory.mktemp("host") / "home"
    push(server, "compared/networks", "1", image)
    name = f"{server.address}/compared/networks:1"
    Preg(home).ok("pull", name)
    with (
        netns() as ours,
        netns() as theirs,
        tempfile.TemporaryDirectory(prefix="preg-docker-") as folder,
        docker.engine_in(Path(folder), theirs) as engine,
    ):
        engine.load(image, "compared:1")
        own = {"files": str(home), "own": folder, "image_id": image.config_digest.removeprefix("sha256:")}
        yield (
            NetworkSide(Host(home, netns=ours), {**own, "image": name}, network=""),
            DockerNetworkSide(engine, {**own, "image": "compared:1"}, network=""),
        )


@pytest.mark.parametrize(
    ("name", "option", "row"), TABLE, ids=[f"{name} {option}".strip() for name, option, _ in TABLE]
)
def test_preg_does_with_networks_what_docker_does(
    name: str, option: str, row: tuple[str, ...], sides: tuple[Side, Side]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        preg, docker = pool.map(lambda side: side.play(row), sides)
    assert preg == docker


def _paths(document: Any, at: str = "") -> set[str]:
    """Every name in a document, with those on the way to it."""
    if isinstance(document, list):
        return {path for item in document for path in _paths(item, at)}
    if not isinstance(document, dict):
        return {at}
    return {at} | {path for name, value in document.items() for path in _paths(value, f"{at}.{name}")}


def test_inspect_tells_all_that_docker_tells_of_networks(sides: tuple[Side, Side]) -> None:
    row = (
        "network create --subnet 10.99.1.0/24 --ip-range 10.99.1.128/25 --aux-address a=10.99.1.5 --label x=y n1",
        "run -d --name c1 --network n1 --network-alias a -p 127.0.0.1:8080:80 {image} sleep 1000",
        "network inspect n1 bridge host none",
        "inspect --format '{{json .NetworkSettings}}' c1",
        "stop -t 0 c1",
        "inspect --format '{{json .NetworkSettings}}' c1",
    )
    told = []
    for side in sides:
        lines = [said.replace("<64 digits>", "ID") for _, _, said in side.play(row)]
        told.append([_paths(json.loads(line)) for line in (lines[2], lines[3], lines[5])])
    for ours, theirs in zip(*told, strict=True):
        assert theirs - ours == set()


def test_every_row_is_of_an_option_that_there_is() -> None:
    assert [(name, option) for name, option, _ in TABLE if option not in ROWS.get(name, {})] == []
