"""regsync, which asks for one token for all repositories that it has touched so far."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import accounts
from tests.parts import server as server_part
from tests.parts.images import INDEX, Index
from tests.parts.process import run
from tests.parts.required import required
from tests.parts.server import Server

EMPTY = Index(())
NAMES = [f"r{number:03}" for number in range(150)]


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Server]:
    with server_part.serving(tmp_path / "source") as running:
        for name in NAMES:
            running.push_manifest(name, "1", EMPTY.manifest, INDEX)
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Server]:
    config = tmp_path / "preg.toml"
    config.write_text(accounts.settings(tmp_path, "token"))
    with server_part.serving(tmp_path / "target", config) as running:
        yield running


def test_more_repositories_are_copied_than_other_token_servers_take(
    source: Server, target: Server, tmp_path: Path
) -> None:
    secret = accounts.password("writer")
    sync = [
        f"  - {{source: {source.address}/{name}:1, target: {target.address}/team/{name}:1, type: image}}"
        for name in NAMES
    ]
    (tmp_path / "regsync.yml").write_text(
        f"""
version: 1
creds:
  - {{registry: {source.address}, tls: disabled}}
  - {{registry: {target.address}, tls: disabled, user: writer, pass: {secret}}}
defaults: {{parallel: 1}}
sync:
"""
        + "\n".join(sync)
    )
    done = run(required("regsync"), "once", "--config", str(tmp_path / "regsync.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    reader = accounts.Known(target.url, user="admin")
    assert [name for name in NAMES if reader.tags(f"team/{name}") != ["1"]] == []
