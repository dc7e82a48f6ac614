"""Lists of tags and of repositories that are longer than one page, which is 1000 names."""

import json
from collections.abc import Iterator

import pytest

from tests.parts import server as server_part
from tests.parts.containers import skopeo
from tests.parts.images import INDEX, Index
from tests.parts.process import output
from tests.parts.required import required
from tests.parts.server import Server

EMPTY = Index(())
TAGS = [f"v{number:04}" for number in range(1001)]
NAMES = [f"listed/r{number:04}" for number in range(1001)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with all of NAMES, the first of them with all of TAGS."""
    with server_part.serving(tmp_path_factory.mktemp("storage")) as running:
        for tag in TAGS:
            running.push_manifest(NAMES[0], tag, EMPTY.manifest, INDEX)
        for name in NAMES[1:]:
            running.push_manifest(name, "1", EMPTY.manifest, INDEX)
        yield running


def test_crane_lists_all_tags(server: Server) -> None:
    assert output(required("crane"), "ls", f"{server.address}/{NAMES[0]}").split() == TAGS


def test_crane_lists_all_repositories(server: Server) -> None:
    assert output(required("crane"), "catalog", server.address).split() == NAMES


def test_oras_lists_all_tags(server: Server) -> None:
    name = f"{server.address}/{NAMES[0]}"
    assert output(required("oras"), "repo", "tags", "--plain-http", name).split() == TAGS


def test_oras_lists_all_repositories(server: Server) -> None:
    listed = output(required("oras"), "repo", "ls", "--plain-http", server.address)
    assert listed.split() == NAMES


def test_skopeo_lists_all_tags(server: Server) -> None:
    name = f"docker://{server.address}/{NAMES[0]}"
    assert json.loads(skopeo("list-tags", "--tls-verify=false", name))["Tags"] == TAGS


def test_a_page_is_shorter_than_these_lists(server: Server) -> None:
    first = server.ask("GET", f"/v2/{NAMES[0]}/tags/list")
    assert len(first.json()["tags"]) < len(TAGS)
    assert len(server.ask("GET", "/v2/_catalog").json()["repositories"]) < len(NAMES)
