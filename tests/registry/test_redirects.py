"""Downloads that are sent to the store itself (protocol.md, item 24)."""

import hashlib
from pathlib import Path

import aiohttp
import pytest

from tests.parts import server as server_part
from tests.parts.seaweed import ACCESS, seaweed

CONTENT = b"layer" * 100_000
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
CONFIG = """
[redirect]
enabled = true
lifetime = 60
except_user_agents = "^stubborn/"
"""


async def test_a_download_is_sent_to_the_store_unless_the_client_is_excepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "preg.toml"
    config.write_text(CONFIG)
    with seaweed() as store:
        server = server_part.start(store.url(), config)
        try:
            async with aiohttp.ClientSession(server.url) as client:
                await _check(client)
        finally:
            assert server.process.stop() == 0


async def _check(client: aiohttp.ClientSession) -> None:
    path = f"/v2/a/b/blobs/{DIGEST}"
    async with client.post(f"/v2/a/b/blobs/uploads/?digest={DIGEST}", data=CONTENT) as pushed:
        assert pushed.status == 201
    async with client.get(path, allow_redirects=False) as sent:
        assert sent.status == 307
        assert sent.headers["Docker-Content-Digest"] == DIGEST
        assert sent.headers["Cache-Control"] == "no-store"
    async with client.get(path, headers={"Range": "bytes=5-9"}) as followed:
        assert (followed.status, await followed.read()) == (206, b"layer")
    async with client.head(path, allow_redirects=False) as described:
        assert (described.status, described.headers["Content-Length"]) == (200, str(len(CONTENT)))
    async with client.get(path, headers={"User-Agent": "stubborn/1"}, allow_redirects=False) as served:
        assert (served.status, await served.read()) == (200, CONTENT)
