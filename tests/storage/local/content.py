"""Images to put into a repository, and what it takes to put them there."""

import json

from storage.local.namespace import LocalRepository
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.manifest import Manifest

CONFIG = b"{}"


def describe(content: bytes, media_type: str = media.OCI_LAYER) -> dict[str, object]:
    """The descriptor of some content."""
    return {"mediaType": media_type, "digest": Digest.of(content), "size": len(content)}


def image(*layers: bytes, subject: Manifest | None = None, **more: object) -> Manifest:
    """An image of these layers with an empty configuration."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": describe(CONFIG, media.OCI_CONFIG),
        "layers": [describe(layer) for layer in layers],
        **more,
    }
    if subject is not None:
        document["subject"] = {**describe(subject.raw, subject.media_type), "digest": subject.digest}
    return Manifest.parse(json.dumps(document).encode())


def index(*children: Manifest) -> Manifest:
    """An index of these manifests."""
    listed = [{**describe(child.raw, child.media_type), "digest": child.digest} for child in children]
    return Manifest.parse(json.dumps({"schemaVersion": 2, "mediaType": media.OCI_INDEX, "manifests": listed}).encode())


async def push_blob(repository: LocalRepository, content: bytes, algorithm: str = "sha256") -> Digest:
    """Upload a blob in one piece."""
    digest = Digest.of(content, algorithm)
    async with await repository.blobs.upload() as upload:
        await upload.write(content)
        await upload.commit(digest)
    return digest


async def push_image(repository: LocalRepository, *tags: str, layers: tuple[bytes, ...] = ()) -> Manifest:
    """Upload an image with all it refers to."""
    manifest = image(*layers)
    for content in (CONFIG, *layers):
        await push_blob(repository, content)
    await repository.manifests.put(manifest, tags)
    return manifest


async def pull_blob(repository: LocalRepository, digest: Digest) -> bytes:
    """Read a blob whole."""
    blob = await repository.blobs.get(digest)
    content = b"".join([piece async for piece in blob.read()])
    assert len(content) == blob.size
    return content
