"""The one shape of a repository, wherever it lives: on a driver, or behind HTTP in another registry.

Errors are those of ``storage.oci.errors``. Whatever a method acknowledges by returning is durable.
"""

from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from storage.oci.digest import Digest
    from storage.oci.document import Descriptor
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Name, Tag


class Blob(Protocol):
    """A blob that a repository holds."""

    @property
    def digest(self) -> "Digest": ...

    @property
    def size(self) -> int:
        """How many bytes there are."""

    @property
    def path(self) -> "Path | None":
        """The file of this host that holds the bytes, where there is one."""

    def read(self, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        """Read bytes ``start`` up to, not including, ``stop``, in pieces of at most 1 MiB; they are not verified."""


@runtime_checkable
class SupportsUrl(Protocol):
    """A blob that others may be sent to fetch by themselves."""

    async def url(self, lifetime: float, /) -> str | None:
        """Give a URL at which anybody can fetch the bytes for ``lifetime`` seconds, where there is such a thing."""


class BlobWriter(Protocol):
    """An upload session. Leaving its context without ``commit`` or ``abort`` suspends it: it can be resumed."""

    @property
    def id(self) -> str:
        """Names the session within its repository."""

    @property
    def offset(self) -> int:
        """How many bytes it holds."""

    def expect(self, size: int, /) -> None:
        """Say how many bytes the session is going to hold in all, if that is known before they come.

        Raises BlobTooLarge where so many cannot be kept.
        """

    async def write(self, data: bytes, /) -> None:
        """Append; the bytes are hashed as they come."""

    async def suspend(self) -> None:
        """Make durable what was written, and go on holding the session: ``rollback`` still takes it all back."""

    async def rollback(self) -> None:
        """Forget what was written since the session was opened. Raises Unsupported where that cannot be done."""

    async def commit(self, digest: "Digest", /) -> None:
        """Make the bytes a blob of the repository; the session is gone.

        Raises DigestInvalid if they do not hash to ``digest``; the session and its bytes are dropped then.
        """

    async def abort(self) -> None:
        """Cancel the session. Idempotent."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None: ...


class Blobs(Protocol):
    """The blobs of a repository."""

    async def get(self, digest: "Digest", /) -> Blob:
        """Find a blob. Raises BlobUnknown."""

    async def upload(self, session: str | None = None, /) -> BlobWriter:
        """Begin an upload, or go on with the named one.

        Raises BlobUploadUnknown, and Unavailable while another request is writing to the session.
        """

    async def mount(self, digest: "Digest", source: "Name | None", /) -> bool:
        """Take over a blob from another repository of the same registry without sending it; None means any.

        False if that cannot be done, for whatever reason: then the blob is to be uploaded.
        """

    async def delete(self, digest: "Digest", /) -> None:
        """Remove a blob from this repository only. Raises BlobUnknown."""


class Manifests(Protocol):
    """The manifests of a repository."""

    async def get(self, reference: "Tag | Digest", /) -> "Manifest":
        """Read a manifest. Raises ManifestUnknown."""

    async def put(self, manifest: "Manifest", tags: "Sequence[Tag]" = (), /) -> None:
        """Store a manifest and point tags to it, in this order.

        Raises ManifestBlobUnknown if it refers to content that the repository lacks; nothing is stored then.
        """

    async def delete(self, digest: "Digest", /) -> None:
        """Remove a manifest and every tag that points to it. Raises ManifestUnknown."""


class Tags(Protocol):
    """The tags of a repository."""

    def list(self, start_after: str = "", /) -> "AsyncIterator[Tag]":
        """Name the tags greater than ``start_after`` in byte order. Raises NameUnknown."""

    async def delete(self, tag: "Tag", /) -> None:
        """Remove a tag, not what it points to. Raises ManifestUnknown."""


class ReferrersPage(NamedTuple):
    """Some of the manifests that are attached to another."""

    descriptors: "list[Descriptor]"
    last: str
    """Where the next page begins; empty on the last."""


class Referrers(Protocol):
    """What is attached to a manifest by its ``subject``."""

    async def page(self, subject: "Digest", start_after: str = "", /) -> ReferrersPage:
        """Describe manifests attached to ``subject``, which need not exist itself: in the order of their first pushes.

        A page has as many as 4 MiB hold, which may be none, and begins behind where another said that it ended.
        """


class Repository(Protocol):
    """A named collection of blobs and manifests."""

    @property
    def name(self) -> "Name": ...
    @property
    def blobs(self) -> Blobs: ...
    @property
    def manifests(self) -> Manifests: ...
    @property
    def tags(self) -> Tags: ...
    @property
    def referrers(self) -> Referrers: ...


class Namespace(Protocol):
    """A registry: repositories by name."""

    def repository(self, name: "Name", /) -> Repository:
        """Give the repository of that name; it need not exist."""

    def repositories(self, start_after: str = "", /) -> "AsyncIterator[Name]":
        """Name the repositories greater than ``start_after`` in byte order."""

    async def aclose(self) -> None:
        """Let go of threads and connections."""
