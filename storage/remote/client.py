"""A registry behind HTTP, in the shape of ``storage.repository``."""

from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import msgspec

from storage.oci import errors, media
from storage.oci.digest import Digest
from storage.oci.headers import parse_link
from storage.oci.manifest import SIZE_LIMIT, Manifest
from storage.oci.reference import Name, Tag, parse_name, parse_tag
from storage.oci.wire import find_error
from storage.remote.answer import HttpFault
from storage.remote.transport import Transport
from storage.remote.upload import RemoteUpload
from storage.repository import ReferrersPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from storage.remote.credentials import Credentials
    from storage.remote.endpoint import Endpoint

#: So many times in a row may a download break off without a single byte gained.
_FRUITLESS: Final = 4
_LIST_LIMIT: Final = 64 * 1024 * 1024
_PAGE: Final = 1000
_ACCEPT: Final = ", ".join(sorted(media.MANIFESTS))


class RemoteNamespace:
    """A registry."""

    def __init__(self, endpoint: "Endpoint", credentials: "Credentials | None" = None) -> None:
        self._transport = Transport(endpoint, credentials)

    async def log_in(self) -> "Credentials | None":
        """Show the credentials to the registry, and give what to keep: an identity token where one is issued.

        None if the registry asks nobody for credentials. Raises Unauthorized if it refuses these.
        """
        return await self._transport.log_in()

    def repository(self, name: Name, /, *, writes: bool = False) -> "RemoteRepository":
        """Give the repository of that name; it need not exist.

        With ``writes`` the right to push is asked for with the first request, and not when something is lacking there.
        """
        return RemoteRepository(self._transport, name, _push(name) if writes else _pull(name))

    async def repositories(self, start_after: str = "", /) -> "AsyncIterator[Name]":
        """Name the repositories greater than ``start_after``."""
        async for page in _pages(self._transport, "_catalog", start_after, ("registry:catalog:*",)):
            for name in page.repositories or ():
                yield parse_name(name)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class RemoteRepository:
    """A repository in another registry."""

    def __init__(self, transport: Transport, name: Name, reading: tuple[str, ...]) -> None:
        self.name = name
        self.blobs = RemoteBlobs(transport, name, reading)
        self.manifests = RemoteManifests(transport, name)
        self.tags = RemoteTags(transport, name)
        self.referrers = RemoteReferrers(transport, name)


class RemoteBlob:
    """A blob in another registry."""

    path: "Path | None" = None

    def __init__(self, transport: Transport, name: Name, digest: Digest, size: int) -> None:
        self.digest = digest
        self.size = size
        self._transport = transport
        self._url = f"{name}/blobs/{digest}"
        self._scopes = _pull(name)

    async def read(self, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        """Read bytes, unverified. A connection that breaks is made again for what is left."""
        end = self.size if stop is None else min(stop, self.size)
        fruitless = 0
        while start < end:
            before = start
            try:
                async for piece in self._read_once(start, end):
                    start += len(piece)
                    yield piece
            except HttpFault as error:
                fruitless = fruitless + 1 if start == before else 0
                if fruitless == _FRUITLESS:
                    raise errors.Unavailable(
                        f"the download of {self.digest} broke off at byte {start} of {end}: {error}"
                    ) from error

    async def _read_once(self, start: int, end: int) -> "AsyncIterator[bytes]":
        whole = start == 0 and end == self.size
        headers = {} if whole else {"Range": f"bytes={start}-{end - 1}"}
        async with await self._transport.request(
            "GET", self._url, scopes=self._scopes, headers=headers, expect=(200, 206)
        ) as answer:
            # A server that does not know ranges sends everything: what we have is passed over.
            skip = start if answer.status == 200 else 0
            left = end - start
            async for piece in answer.pieces():
                wanted = piece[skip : skip + left]
                skip -= min(skip, len(piece))
                left -= len(wanted)
                if wanted:
                    yield wanted
                if not left:
                    return
            raise HttpFault("the server sent less than it announced")


class RemoteBlobs:
    """The blobs of a repository in another registry."""

    def __init__(self, transport: Transport, name: Name, reading: tuple[str, ...]) -> None:
        self._transport = transport
        self._name = name
        self._reading = reading

    async def get(self, digest: Digest, /) -> RemoteBlob:
        """Find a blob. Raises BlobUnknown."""
        url = f"{self._name}/blobs/{digest}"
        async with await self._transport.request("HEAD", url, scopes=self._reading, expect=(200, 404)) as answer:
            if answer.status == 404:
                raise errors.BlobUnknown(f"{self._transport.registry}/{self._name} holds no blob {digest}")
            return RemoteBlob(self._transport, self._name, digest, _length(answer.headers.get("Content-Length"), url))

    async def upload(self, session: str | None = None, /) -> RemoteUpload:
        """Begin an upload, or go on with the named one. Raises BlobUploadUnknown."""
        upload = RemoteUpload(self._transport, self._name, _push(self._name))
        await upload.begin(session)
        return upload

    async def mount(self, digest: Digest, source: "Name | None", /) -> bool:
        """Take over a blob from another repository of the same registry; false if the registry would not."""
        query = {"mount": digest} | ({"from": source} if source is not None else {})
        scopes = _push(self._name) + (_pull(source) if source is not None else ())
        try:
            async with await self._transport.request(
                "POST", f"{self._name}/blobs/uploads/?{urlencode(query)}", scopes=scopes, expect=(201, 202)
            ) as answer:
                if answer.status == 201:
                    return True
                location = answer.headers.get("Location")
        except (errors.Unauthorized, errors.Denied):
            return False
        # The registry has begun an upload instead, which nobody will use.
        if location:
            await RemoteUpload(self._transport, self._name, _push(self._name), location).abort()
        return False

    async def delete(self, digest: Digest, /) -> None:
        """Remove a blob from this repository only. Raises BlobUnknown."""
        await _delete(self._transport, f"{self._name}/blobs/{digest}", self._name, errors.BlobUnknown)


class RemoteManifests:
    """The manifests of a repository in another registry."""

    def __init__(self, transport: Transport, name: Name) -> None:
        self._transport = transport
        self._name = name

    async def get(self, reference: Tag | Digest, /) -> Manifest:
        """Read a manifest and check it against the digest it was asked for by. Raises ManifestUnknown."""
        url = f"{self._name}/manifests/{reference}"
        async with await self._transport.request(
            "GET", url, scopes=_pull(self._name), headers={"Accept": _ACCEPT}, expect=(200, 404)
        ) as answer:
            raw = await answer.read(SIZE_LIMIT)
            kind = media.essence(answer.headers.get("Content-Type"))
        if answer.status == 404:
            raise await self._missing(reference, raw)
        if kind == "text/html":
            await self._transport.check()
        if not isinstance(reference, Digest):
            return Manifest.parse(raw, kind)
        if Digest.of(raw, reference.algorithm) != reference:
            raise errors.DigestInvalid(f"{self._transport.registry} sent something else as manifest {reference}")
        return Manifest.parse(raw, kind, reference)

    async def _missing(self, reference: Tag | Digest, said: bytes) -> errors.RegistryError:
        """Say what it is that a registry does not have, from what it has said."""
        registry, told = self._transport.registry, find_error(404, said)
        if told is None:
            await self._transport.check()
        if isinstance(told, errors.NameUnknown):
            return errors.ManifestUnknown(f"{registry} has no repository {self._name}")
        if isinstance(reference, Digest):
            return errors.ManifestUnknown(f"{registry}/{self._name} holds no manifest {reference}")
        # Many say the same whether a tag is missing or all of the repository.
        listing = f"{self._name}/tags/list?n=1"
        with suppress(errors.RegistryError):
            async with await self._transport.request(
                "GET", listing, scopes=_pull(self._name), expect=(200, 404)
            ) as answer:
                if answer.status == 404:
                    return errors.ManifestUnknown(f"{registry} has no repository {self._name}")
        return errors.ManifestUnknown(f"{registry}/{self._name} has no tag {reference}")

    async def put(self, manifest: Manifest, tags: "Sequence[Tag]" = (), /) -> None:
        """Store a manifest and point tags to it. Raises ManifestBlobUnknown."""
        for target in tags or (manifest.digest,):
            async with await self._transport.request(
                "PUT",
                f"{self._name}/manifests/{target}",
                scopes=_push(self._name),
                headers={"Content-Type": manifest.media_type},
                body=manifest.raw,
                expect=(201,),
            ) as answer:
                stored = answer.headers.get("Docker-Content-Digest", manifest.digest)
            if stored != manifest.digest and stored.startswith(manifest.digest.algorithm):
                raise errors.DigestInvalid(f"{self._transport.registry} stored {stored} instead of {manifest.digest}")

    async def delete(self, digest: Digest, /) -> None:
        """Remove a manifest and every tag that points to it. Raises ManifestUnknown."""
        await _delete(self._transport, f"{self._name}/manifests/{digest}", self._name, errors.ManifestUnknown)


class RemoteTags:
    """The tags of a repository in another registry."""

    def __init__(self, transport: Transport, name: Name) -> None:
        self._transport = transport
        self._name = name

    async def list(self, start_after: str = "", /) -> "AsyncIterator[Tag]":
        """Name the tags greater than ``start_after``. Raises NameUnknown."""
        async for page in _pages(self._transport, f"{self._name}/tags/list", start_after, _pull(self._name)):
            for tag in page.tags or ():
                yield parse_tag(tag)

    async def delete(self, tag: Tag, /) -> None:
        """Remove a tag, not what it points to. Raises ManifestUnknown."""
        await _delete(self._transport, f"{self._name}/manifests/{tag}", self._name, errors.ManifestUnknown)


class RemoteReferrers:
    """What is attached to manifests of a repository in another registry."""

    def __init__(self, transport: Transport, name: Name) -> None:
        self._transport = transport
        self._name = name

    async def page(self, subject: Digest, start_after: str = "", /) -> ReferrersPage:
        """Describe manifests attached to ``subject``; none where the registry does not know the question.

        Pages begin where the registry's links say.
        """
        url = start_after or f"{self._name}/referrers/{subject}"
        async with await self._transport.request("GET", url, scopes=_pull(self._name), expect=(200, 404)) as answer:
            if answer.status == 404:
                return ReferrersPage([], "")
            raw = await answer.read(_LIST_LIMIT)
            following = parse_link(answer.headers.get("Link"))
        return ReferrersPage(list(Manifest.parse(raw, media.OCI_INDEX).children), following or "")


class _Page(msgspec.Struct):
    tags: list[str] | None = None
    repositories: list[str] | None = None


async def _pages(transport: Transport, path: str, start_after: str, scopes: tuple[str, ...]) -> "AsyncIterator[_Page]":
    url: str | None = f"{path}?n={_PAGE}" + (f"&last={quote(start_after)}" if start_after else "")
    while url is not None:
        async with await transport.request("GET", url, scopes=scopes) as answer:
            raw = await answer.read(_LIST_LIMIT)
            url = parse_link(answer.headers.get("Link"))
        try:
            yield msgspec.json.decode(raw, type=_Page)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            await transport.check()
            raise errors.Unavailable(f"{transport.registry} answered {path} with no list: {error}") from error


async def _delete(transport: Transport, url: str, name: Name, unknown: type[errors.RegistryError]) -> None:
    scopes = (f"repository:{name}:delete,pull,push",)
    async with await transport.request("DELETE", url, scopes=scopes, expect=(200, 202, 204, 404)) as answer:
        if answer.status == 404:
            raise unknown(f"{transport.registry} holds nothing at {url}")


def _length(value: str, url: str) -> int:
    if not value.isdigit():
        raise errors.Unavailable(f"the answer to HEAD {url} tells no Content-Length")
    return int(value)


def _pull(name: Name) -> tuple[str, ...]:
    return (f"repository:{name}:pull",)


def _push(name: Name) -> tuple[str, ...]:
    return (f"repository:{name}:pull,push",)
