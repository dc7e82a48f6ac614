"""Clients that reach preg through the nginx configuration we ship, with TLS."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parts.docker import Docker
from tests.parts.images import data, push, read_oci_layout, write_oci_layout
from tests.parts.nginx import Proxy, proxying
from tests.parts.process import output
from tests.parts.required import required
from tests.parts.server import Server, serving, uploads
from tests.parts.tls import NAME, Authority
from tests.parts.wire import Wire


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows by which name it is reached."""
    folder = tmp_path_factory.mktemp("named")
    config = folder / "preg.toml"
    config.write_text('[server]\nhosts = ["registry.example.com"]\n')
    with serving(folder / "storage", config) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server: Server, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy") / "nginx"
    with proxying(folder, server.address, authority) as running:
        yield running


@pytest.fixture
def secured(server: Server, proxy: Proxy, authority: Authority) -> Server:
    """The server as it is seen through the proxy."""
    return replace(server, url=f"https://{proxy.tls}", tls=authority.client())


def test_docker_pushes_and_pulls_through_tls_that_it_verifies(
    docker: Docker, proxy: Proxy, secured: Server, repository: str
) -> None:
    image = data("proxied", layers=5)
    name = f"{NAME}:{proxy.tls.rpartition(':')[2]}/{repository}:1"
    docker.load(image, name)
    docker("push", name)
    stored = secured.stored(repository, "1")
    assert stored.blobs[image.config_digest] == image.config
    assert stored.plain_layers() == list(image.tars)
    with secured.recording() as requests:
        docker("push", name)
    assert uploads(requests) == []

    docker.forget()
    assert stored.digest in docker("pull", name)
    assert docker.inspect(name)["Id"] == image.config_digest


def test_crane_pushes_and_pulls_through_tls_that_it_verifies(
    proxy: Proxy, secured: Server, authority: Authority, repository: str, tmp_path: Path
) -> None:
    image, name = data("proxied by crane"), f"{proxy.tls}/{repository}:1"
    env = {**os.environ, "SSL_CERT_FILE": str(authority.ca), "SSL_CERT_DIR": str(tmp_path)}
    layout = write_oci_layout(tmp_path / "in", image, "1")
    output(required("crane"), "push", str(layout), name, env=env)
    assert secured.stored(repository, "1").blobs == image.blobs
    output(required("crane"), "pull", "--format=oci", name, str(tmp_path / "out"), env=env)
    assert read_oci_layout(tmp_path / "out") == read_oci_layout(layout)


def test_locations_and_links_lead_back_through_the_proxy(secured: Server, repository: str) -> None:
    for tag in ("1", "2"):
        push(secured, repository, tag, data("linked", layers=1, size=10))
    opened = secured.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert opened.headers["Location"].startswith(f"/v2/{repository}/blobs/uploads/")
    first = secured.ask("GET", f"/v2/{repository}/tags/list?n=1")
    link = first.headers["Link"].removeprefix("<").partition(">")[0]
    assert secured.ask("GET", link).json()["tags"] == ["2"]


def test_a_layer_larger_than_any_buffer_passes(secured: Server, repository: str) -> None:
    content = os.urandom(1 << 20) * 48
    digest = secured.push_blob(repository, content)
    assert secured.blob(repository, digest) == content


def test_another_name_than_the_configured_one_is_refused(proxy: Proxy, secured: Server) -> None:
    for name, status in (("registry.example.com", 200), ("pages.example.com", 403)):
        assert secured.ask("GET", "/v2/", headers={"Host": f"{name}:{proxy.tls.rpartition(':')[2]}"}).status == status


def test_plain_http_is_sent_to_https(proxy: Proxy) -> None:
    answer = Wire(f"http://{proxy.plain}").ask("POST", "/v2/a/blobs/uploads/?mount=b")
    assert answer.status == 308
    assert answer.headers["Location"] == "https://127.0.0.1/v2/a/blobs/uploads/?mount=b"


def test_a_registry_that_is_down_is_told_as_json(authority: Authority, tmp_path: Path) -> None:
    # Whoever does not listen refuses, and nobody else does on a port that is taken.
    with socket.socket() as down:
        down.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{down.getsockname()[1]}"
        with proxying(tmp_path / "nginx", address, authority) as proxy:
            answer = Wire(f"https://{proxy.tls}", authority.client()).ask("GET", "/v2/")
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"
