"""Manifests: distribution-spec, "Pulling manifests", "Pushing Manifests", "Deleting Manifests", "Deleting tags"."""

from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from registry.http.blobs import is_known
from registry.http.responses import DIGEST, created, document, empty
from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.errors import DigestInvalid, ManifestTooLarge, UriTooLong
from storage.oci.manifest import SIZE_LIMIT, Manifest
from storage.oci.reference import parse_tag, parse_tag_or_digest
from storage.offload import offload

if TYPE_CHECKING:
    from aiohttp import web

    from registry.http.call import Call
    from storage.oci.reference import Tag

#: The specification asks for ten or more; proxies take 4 KiB of response headers, which have to name them all.
_TAGS_LIMIT: Final = 25


async def get(call: "Call") -> "web.StreamResponse":
    """Send a manifest."""
    manifest = await _find(call)
    headers = _headers(manifest)
    if is_known(call, manifest.digest):
        return empty(304, headers)
    return document(manifest.raw, manifest.media_type, headers)


async def head(call: "Call") -> "web.StreamResponse":
    """Describe a manifest."""
    manifest = await _find(call)
    headers = _headers(manifest)
    if is_known(call, manifest.digest):
        return empty(304, headers)
    length = str(len(manifest.raw))
    return empty(200, {**headers, hdrs.CONTENT_TYPE: manifest.media_type, hdrs.CONTENT_LENGTH: length})


async def put(call: "Call") -> "web.StreamResponse":
    """Store a manifest under its digest, and point tags to it."""
    reference = parse_tag_or_digest(call.argument)
    repository = call.repository
    tags = _query_tags(call) if isinstance(reference, Digest) else []
    raw = await call.whole_body(SIZE_LIMIT, ManifestTooLarge(f"a manifest may be {SIZE_LIMIT} bytes long"))
    manifest = await offload(len(raw), _checked, raw, reference, media.essence(call.header(hdrs.CONTENT_TYPE)))
    await repository.manifests.put(manifest, tags if isinstance(reference, Digest) else [reference])
    headers = {}
    if manifest.subject is not None:
        headers["OCI-Subject"] = str(manifest.subject.digest)
    if tags:
        headers["OCI-Tag"] = ", ".join(tags)
    # Clients take the digest from the end of the path, also where they pushed by tag.
    return created(f"{call.repository_path}/manifests/{manifest.digest}", manifest.digest, headers)


async def delete(call: "Call") -> "web.StreamResponse":
    """Remove a tag; or a manifest with every tag that points to it."""
    reference = parse_tag_or_digest(call.argument)
    if isinstance(reference, Digest):
        await call.repository.manifests.delete(reference)
    else:
        await call.repository.tags.delete(reference)
    return empty(202, {})


async def _find(call: "Call") -> Manifest:
    """Find the manifest a client asks for, whatever types it accepts.

    One exception is for the clients of 2017 and before: by tag they get the linux/amd64 image of a Docker manifest
    list if they accept that type and not lists. Its digest is the image's, so nothing they verify is wrong.
    """
    reference = parse_tag_or_digest(call.argument)
    manifests = call.repository.manifests
    manifest = await manifests.get(reference)
    if manifest.media_type != media.DOCKER_LIST or isinstance(reference, Digest):
        return manifest
    accepted = media.accepted(call.request.headers.getall(hdrs.ACCEPT, []))
    if media.DOCKER_MANIFEST not in accepted or not accepted.isdisjoint((media.DOCKER_LIST, "*/*")):
        return manifest
    await offload(len(manifest.raw), manifest.read)
    for child in manifest.children:
        if child.platform is not None and (child.platform.os, child.platform.architecture) == ("linux", "amd64"):
            return await manifests.get(child.digest)
    return manifest


def _checked(raw: bytes, reference: "Tag | Digest", media_type: str) -> Manifest:
    digest = Digest.of(raw, reference.algorithm if isinstance(reference, Digest) else "sha256")
    if isinstance(reference, Digest) and reference != digest:
        raise DigestInvalid(detail={"digest": reference, "content": digest})
    return Manifest.pushed(raw, media_type, digest)


def _query_tags(call: "Call") -> "list[Tag]":
    """Read the tags a manifest is to be given along with its digest (distribution-spec 1.1+dev)."""
    tags = list(dict.fromkeys(parse_tag(text) for text in call.parameters("tag")))
    if len(tags) > _TAGS_LIMIT:
        raise UriTooLong(f"a manifest is given at most {_TAGS_LIMIT} tags in one request")
    return tags


def _headers(manifest: Manifest) -> dict[str, str]:
    return {DIGEST: manifest.digest, hdrs.ETAG: f'"{manifest.digest}"'}
