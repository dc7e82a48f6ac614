"""The registry's own words over plain HTTP, to see what a client left there."""

import gzip
import hashlib
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

INDEX_TYPES = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
}
MANIFEST_TYPES = {
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
}
ACCEPT = {"Accept": ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Stored:
    """A manifest as the registry holds it, each digest already checked."""

    digest: str
    media_type: str
    manifest: bytes = field(repr=False)
    blobs: Mapping[str, bytes] = field(repr=False)
    children: tuple["Stored", ...]

    def json(self) -> Any:
        return json.loads(self.manifest)

    def plain_layers(self) -> list[bytes]:
        """The layers as tar archives, whichever client compressed them."""
        return [gzip.decompress(self.blobs[each["digest"]]) for each in self.json()["layers"]]

    def diff_ids(self) -> list[str]:
        return [sha256(layer) for layer in self.plain_layers()]


@dataclass(frozen=True)
class Wire:
    """HTTP to one registry; `url` is its scheme, host and port."""

    url: str
    tls: ssl.SSLContext | None = None

    @property
    def address(self) -> str:
        """HOST:PORT, as clients write it before a repository's name."""
        return urlsplit(self.url).netloc

    def connected(self) -> socket.socket:
        """A bare connection, for a `with`."""
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)))

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        if urlsplit(self.url).scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(self.address, context=self.tls)
        else:
            connection = http.client.HTTPConnection(self.address)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def push_blob(self, repository: str, content: bytes) -> str:
        """Store a blob with POST and PUT; its digest."""
        digest = sha256(content)
        opened = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert opened.status == 202, opened
        location = opened.headers["Location"].removeprefix(self.url)
        mark = "&" if "?" in location else "?"
        done = self.ask("PUT", f"{location}{mark}digest={digest}", content)
        assert done.status == 201, done
        return digest

    def push_manifest(self, repository: str, reference: str, manifest: bytes, media_type: str) -> None:
        path = f"/v2/{repository}/manifests/{reference}"
        done = self.ask("PUT", path, manifest, {"Content-Type": media_type})
        assert done.status == 201, done

    def blob(self, repository: str, digest: str) -> bytes:
        answer = self.ask("GET", f"/v2/{repository}/blobs/{digest}")
        assert answer.status == 200, answer
        assert sha256(answer.body) == digest
        return answer.body

    def stored(self, repository: str, reference: str) -> Stored:
        """Fetch a manifest and all below it, and check each digest and size on the way."""
        answer = self.ask("GET", f"/v2/{repository}/manifests/{reference}", headers=ACCEPT)
        assert answer.status == 200, answer
        digest = sha256(answer.body)
        assert answer.headers["Docker-Content-Digest"] == digest
        assert reference == digest or ":" not in reference
        manifest = answer.json()
        media_type = answer.headers["Content-Type"]
        children = tuple(self.stored(repository, child["digest"]) for child in manifest.get("manifests", []))
        blobs = {}
        below = [manifest["config"], *manifest["layers"]] if media_type in MANIFEST_TYPES else []
        for descriptor in below:
            content = self.blob(repository, descriptor["digest"])
            assert len(content) == descriptor["size"]
            blobs[descriptor["digest"]] = content
        return Stored(digest, media_type, answer.body, blobs, children)

    def tags(self, repository: str) -> list[str]:
        answer = self.ask("GET", f"/v2/{repository}/tags/list")
        assert answer.status in (200, 404), answer
        return list(answer.json()["tags"] or []) if answer.status == 200 else []

    def status(self, repository: str, reference: str) -> int:
        """The status of HEAD on a manifest: 200, or 404 once it is deleted."""
        path = f"/v2/{repository}/manifests/{reference}"
        return self.ask("HEAD", path, headers=ACCEPT).status


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
