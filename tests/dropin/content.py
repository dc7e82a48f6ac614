"""What a registry was given, to be asked of whichever registry serves the same store afterwards."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.parts import images
from tests.parts.images import INDEX, MANIFEST, Image, Index
from tests.parts.wire import ACCEPT, Wire, sha256

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EMPTY = b"{}"


@dataclass
class Content:
    """Manifests by repository and reference, blobs by repository and digest, and the paths that were deleted."""

    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def push(self, wire: Wire, repository: str, tag: str, image: Image | Index) -> None:
        """Push an OCI image or index with all it refers to."""
        for child in image.images if isinstance(image, Index) else ():
            self.push(wire, repository, child.digest, child)
        for content in image.blobs.values() if isinstance(image, Image) else ():
            self.push_blob(wire, repository, content)
        self.push_manifest(wire, repository, tag, INDEX if isinstance(image, Index) else MANIFEST, image.manifest)

    def push_blob(self, wire: Wire, repository: str, content: bytes) -> None:
        self.blobs[repository, wire.push_blob(repository, content)] = content

    def push_manifest(self, wire: Wire, repository: str, reference: str, media_type: str, raw: bytes) -> None:
        wire.push_manifest(repository, reference, raw, media_type)
        for known in (reference, sha256(raw)):
            self.manifests[repository, known] = (media_type, raw)
            self.gone.discard(f"/v2/{repository}/manifests/{known}")

    def delete_manifest(self, wire: Wire, repository: str, digest: str) -> None:
        """Delete a manifest, and with it the tags that point to it."""
        self._delete(wire, f"/v2/{repository}/manifests/{digest}")
        raw = self.manifests[repository, digest]
        for of, reference in [key for key, value in self.manifests.items() if key[0] == repository and value == raw]:
            del self.manifests[of, reference]
            self.gone.add(f"/v2/{of}/manifests/{reference}")

    def delete_tag(self, wire: Wire, repository: str, tag: str) -> None:
        self._delete(wire, f"/v2/{repository}/manifests/{tag}")
        del self.manifests[repository, tag]

    def delete_blob(self, wire: Wire, repository: str, digest: str) -> None:
        self._delete(wire, f"/v2/{repository}/blobs/{digest}")
        del self.blobs[repository, digest]

    def _delete(self, wire: Wire, path: str) -> None:
        answer = wire.ask("DELETE", path)
        assert answer.status == 202, answer
        self.gone.add(path)

    def check(self, wire: Wire) -> None:
        """Ask for all of it, byte for byte, for nothing more and for nothing that was deleted."""
        for (repository, reference), (media_type, raw) in self.manifests.items():
            path = f"/v2/{repository}/manifests/{reference}"
            self._check(wire, path, raw, {"Content-Type": media_type, "Docker-Content-Digest": sha256(raw)})
        for (repository, digest), content in self.blobs.items():
            path = f"/v2/{repository}/blobs/{digest}"
            self._check(wire, path, content, {"Docker-Content-Digest": digest})
            part = wire.ask("GET", path, headers={"Range": "bytes=1-"})
            assert (part.status, part.body) == (206, content[1:]), path
        for path in self.gone:
            assert wire.ask("GET", path, headers=ACCEPT).status == 404, path
        repositories = {repository for repository, _ in self.manifests}
        for repository in repositories:
            tags = sorted(known for of, known in self.manifests if of == repository and ":" not in known)
            # Release 2 lists tags in no order, and both list repositories in the order of the tree.
            listed = wire.tags(repository)
            assert sorted(listed) == tags, (repository, listed, tags)
        listed = wire.ask("GET", "/v2/_catalog").json()["repositories"]
        assert sorted(listed) == sorted(repositories), (listed, repositories)

    def _check(self, wire: Wire, path: str, content: bytes, headers: dict[str, str]) -> None:
        expected = {**headers, "Content-Length": str(len(content))}
        for method, body in (("HEAD", b""), ("GET", content)):
            answer = wire.ask(method, path, headers=ACCEPT)
            assert answer.status == 200, (method, path, answer)
            assert {name: answer.headers[name] for name in expected} == expected, (method, path)
            assert answer.body == body, (method, path)


@dataclass(frozen=True)
class Unfinished:
    """An upload that was begun and left alone: its place, without the server, and what is to come."""

    place: str
    session: str
    rest: bytes
    digest: str

    def finish(self, wire: Wire) -> None:
        mark = "&" if "?" in self.place else "?"
        done = wire.ask("PUT", f"{self.place}{mark}digest={self.digest}", self.rest)
        assert done.status == 201, done


def begin(wire: Wire, repository: str, content: bytes, cut: int) -> Unfinished:
    """Upload the beginning of a blob."""
    opened = wire.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert opened.status == 202, opened
    going = wire.ask("PATCH", opened.headers["Location"].removeprefix(wire.url), content[:cut])
    assert going.status == 202, going
    url = urlsplit(going.headers["Location"])
    return Unfinished(f"{url.path}?{url.query}".rstrip("?"), url.path, content[cut:], sha256(content))


def fill(wire: Wire, content: Content) -> None:
    """Push what users push: images of both formats and for several machines, names below names, a tag that moved."""
    first, second = images.data("first", size=100_000), images.data("second", layers=1, size=11 << 20)
    for tag in ("1", "1.0", "latest"):
        content.push(wire, "library/app", tag, first)
    content.push(wire, "library/app", "latest", second)
    content.push(wire, "library/app/tools", "v1", images.data("tools", layers=1, size=10))
    content.push(wire, "library", "V_1.0-rc.1", images.data("above", layers=1, size=10))
    content.push(wire, "library-more/app", "many", images.multi_arch("many"))
    _fill_docker(wire, content)
    _fill_odd(wire, content)
    # What is mounted is the same bytes under another name.
    layer = next(iter(second.blobs))
    mounted = wire.ask("POST", f"/v2/docker/list/blobs/uploads/?mount={layer}&from=library/app")
    assert mounted.status == 201, mounted
    content.blobs["docker/list", layer] = second.blobs[layer]


def _fill_docker(wire: Wire, content: Content) -> None:
    listed = []
    for architecture in ("amd64", "arm64"):
        image = images.data(f"docker {architecture}", layers=2, size=1000, architecture=architecture)
        for blob in image.blobs.values():
            content.push_blob(wire, "docker/list", blob)
        raw = docker_manifest(image)
        content.push_manifest(wire, "docker/list", architecture, DOCKER_MANIFEST, raw)
        platform = {"architecture": architecture, "os": "linux"}
        listed.append({**descriptor(DOCKER_MANIFEST, raw), "platform": platform})
    raw = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": listed}, indent=3).encode()
    content.push_manifest(wire, "docker/list", "latest", DOCKER_LIST, raw)


def _fill_odd(wire: Wire, content: Content) -> None:
    """Push what some clients write, and what every registry in Go takes: it reads null as missing, and mends text."""
    content.push_blob(wire, "odd", EMPTY)
    whole = descriptor("application/vnd.oci.empty.v1+json", EMPTY)
    without_size = {key: value for key, value in whole.items() if key != "size"}
    odd: dict[str, dict[str, Any]] = {
        "config-without-size": {"mediaType": DOCKER_MANIFEST, "config": without_size},
        "layer-of-size-minus-1": {"layers": [{**whole, "size": -1, "annotations": {"title": None}}]},
        "null-annotation": {"annotations": {"commit": None}},
        "null-type": {"mediaType": None},
        "half-a-surrogate-pair": {"annotations": {"title": "\ud83d"}},
        "deep": {"x": json.loads("[" * 200 + "]" * 200)},
    }
    base = {"schemaVersion": 2, "mediaType": MANIFEST, "config": whole, "layers": [whole]}
    for tag, more in odd.items():
        kind = more.get("mediaType") or MANIFEST
        content.push_manifest(wire, "odd", tag, kind, json.dumps({**base, **more}).encode())
    latin = json.dumps({**base, "annotations": {"author": "Björn"}}, ensure_ascii=False).encode("latin-1")
    content.push_manifest(wire, "odd", "latin-1", MANIFEST, latin)


def docker_manifest(image: Image) -> bytes:
    """An image's manifest as Docker writes it, spaces and all."""
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor(DOCKER_CONFIG, image.config),
        "layers": [descriptor(DOCKER_LAYER, layer) for layer in image.layers],
    }
    return json.dumps(document, indent=3).encode()


def descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": sha256(content)}


def signature(subject: bytes, text: str) -> bytes:
    """A manifest attached to another one."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.tests.signature",
        "config": descriptor("application/vnd.oci.empty.v1+json", EMPTY),
        "layers": [descriptor("application/vnd.oci.empty.v1+json", EMPTY)],
        "subject": descriptor(MANIFEST, subject),
        "annotations": {"text": text},
    }
    return json.dumps(document).encode()
