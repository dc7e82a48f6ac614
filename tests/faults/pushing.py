"""A pusher that can be interrupted at any byte, and remembers what was acknowledged."""

import http.client
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.parts import images
from tests.parts.images import MANIFEST
from tests.parts.process import PATIENCE
from tests.parts.server import Server
from tests.parts.wire import sha256

PIECE = 16 * 1024


@dataclass
class Acknowledged:
    """What a server has answered with 201, by repository: it may never be lost again."""

    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    tags: set[tuple[str, str]] = field(default_factory=set)
    # What a tag may point to: a move that was never acknowledged may have happened all the same.
    attempts: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def check(self, server: Server) -> None:
        """Pull everything back, byte for byte."""
        connection = http.client.HTTPConnection(server.address)
        try:
            for (repository, digest), content in self.blobs.items():
                assert _get(connection, f"/v2/{repository}/blobs/{digest}") == content
            for (repository, digest), content in self.manifests.items():
                assert _get(connection, f"/v2/{repository}/manifests/{digest}") == content
            for repository, tag in self.tags:
                digest = sha256(_get(connection, f"/v2/{repository}/manifests/{tag}"))
                assert digest in self.attempts[repository, tag]
        finally:
            connection.close()


class Push:
    """One push of a few blobs and a manifest, under a tag of its own and one that others move, too.

    `step` is called before each request and each piece of a body.
    """

    def __init__(self, seed: str, repository: str, tag: str, step: Callable[[], None] = lambda: None) -> None:
        self._random = random.Random(seed)
        self._repository = repository
        self._tags = (tag, "latest")
        self._step = step
        size = self._random.choice((0, 1, 5_000, 70_000, 300_000))
        self.image = images.data(seed, layers=self._random.randint(1, 4), size=size)

    def run(self, server: Server, acknowledged: Acknowledged) -> None:
        """Push. Raises OSError or HTTPException where the server goes away."""
        connection = http.client.HTTPConnection(server.address, timeout=PATIENCE)
        try:
            for digest, content in self.image.blobs.items():
                self._push_blob(connection, digest, content)
                acknowledged.blobs[self._repository, digest] = content
            for tag in self._tags:
                acknowledged.attempts[self._repository, tag].add(self.image.digest)
                self._put_manifest(connection, tag)
                acknowledged.manifests[self._repository, self.image.digest] = self.image.manifest
                acknowledged.tags.add((self._repository, tag))
        finally:
            connection.close()

    def _push_blob(self, connection: http.client.HTTPConnection, digest: str, content: bytes) -> None:
        uploads = f"/v2/{self._repository}/blobs/uploads/"
        way = self._random.randrange(4)
        if way == 0:
            self._ask(connection, 201, "POST", f"{uploads}?digest={digest}", body=content)
            return
        location = self._ask(connection, 202, "POST", uploads)["Location"]
        if way == 1:
            self._ask(connection, 201, "PUT", f"{location}?digest={digest}", body=content)
            return
        cut = 0 if way == 2 else self._random.randint(0, len(content))
        for start, part in ((0, content[:cut]), (cut, content[cut:])):
            if part:
                place = {"Content-Range": f"{start}-{start + len(part) - 1}"} if way == 3 else {}
                location = self._ask(connection, 202, "PATCH", location, body=part, headers=place)["Location"]
        self._ask(connection, 201, "PUT", f"{location}?digest={digest}")

    def _put_manifest(self, connection: http.client.HTTPConnection, tag: str) -> None:
        path = f"/v2/{self._repository}/manifests/{tag}"
        self._ask(connection, 201, "PUT", path, body=self.image.manifest, headers={"Content-Type": MANIFEST})

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        status: int,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> http.client.HTTPMessage:
        length = {"Content-Length": str(len(body))}
        connection.request(method, path, self._pieces(body), {**(headers or {}), **length})
        response = connection.getresponse()
        said = response.read()
        assert response.status == status, f"{method} {path}: {response.status} {said!r}"
        return response.headers

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        self._step()
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]
            self._step()


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path, headers={"Accept": MANIFEST})
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, f"{path}: {response.status} {content[:500]!r}"
    return content
