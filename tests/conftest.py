"""Real parts for every test that wants one: a server, engines, a certificate authority."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.parts import docker as docker_part
from tests.parts import server as server_part
from tests.parts import tls
from tests.parts.containers import Storage
from tests.parts.docker import Docker
from tests.parts.mounts import unmount_below
from tests.parts.netns import remove_networks
from tests.parts.server import Server
from tests.parts.tls import Authority
from tests.parts.tunnel import tunnelling

# How long a property takes says something of the machine, and nothing of us. Where everything is to be tested a commit
# is judged, the same each time: examples that nobody has seen yet are for those who look for them.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("PREG_TEST_REQUIRE_ALL") == "1",
)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def no_layer_stays_mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Layers stay mounted for the next container, but not for the next test run."""
    yield
    unmount_below(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session", autouse=True)
def no_bridge_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nor does the default network of a host that a test has made up."""
    yield
    remove_networks(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A preg server for the tests of one file; each test keeps to its own `repository`."""
    with server_part.serving(tmp_path_factory.mktemp("storage")) as running:
        yield running


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository's name that no other test of the file uses."""
    return "tests/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that nobody but these tests trusts."""
    return tls.issue(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def engine(authority: Authority) -> Iterator[Docker]:
    """One Docker engine for all tests of a worker; use `docker` for an empty one."""
    with (
        tempfile.TemporaryDirectory(prefix="preg-docker-") as folder,
        tunnelling() as proxy,
        docker_part.engine(Path(folder), authority.ca, proxy) as docker,
    ):
        yield docker


@pytest.fixture
def docker(engine: Docker) -> Docker:
    """A Docker engine without images."""
    engine.forget()
    return engine


@pytest.fixture
def podman() -> Iterator[Storage]:
    """podman with an empty image store."""
    # podman refuses a path as long as those of tmp_path.
    with tempfile.TemporaryDirectory(prefix="preg-podman-") as folder:
        yield Storage("podman", Path(folder))


@pytest.fixture
def buildah() -> Iterator[Storage]:
    """buildah with an empty image store."""
    with tempfile.TemporaryDirectory(prefix="preg-buildah-") as folder:
        yield Storage("buildah", Path(folder))
