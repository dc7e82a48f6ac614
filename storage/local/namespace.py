"""The registry that a storage driver holds."""

from typing import TYPE_CHECKING

from storage.local import catalog
from storage.local.blobs import LocalBlobs
from storage.local.cache import ManifestCache
from storage.local.manifests import LocalManifests
from storage.local.referrers import LocalReferrers
from storage.local.tags import LocalTags

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.guard import Guard
    from storage.oci.reference import Name


class LocalNamespace:
    """A ``storage.repository.Namespace`` on a driver.

    Nothing but immutable content is kept in memory, so any number of processes may share one store.
    ``sparse`` lets a manifest refer to content that its repository lacks.
    """

    def __init__(self, store: "Guard", *, sparse: bool = False) -> None:
        self.store = store
        self.sparse = sparse
        self.cache = ManifestCache()

    def repository(self, name: "Name", /) -> "LocalRepository":
        return LocalRepository(self, name)

    def repositories(self, start_after: str = "", /) -> "AsyncIterator[Name]":
        return catalog.repositories(self.store, start_after)

    async def purge_uploads(self, *, idle: float) -> int:
        """Drop the upload sessions that nobody wrote to for ``idle`` seconds; say how many there were."""
        return await self.store.purge_uploads(idle=idle)

    async def aclose(self) -> None:
        await self.store.aclose()


class LocalRepository:
    """A ``storage.repository.Repository`` on a driver."""

    __slots__ = ("_namespace", "name")

    def __init__(self, namespace: LocalNamespace, name: "Name") -> None:
        self._namespace = namespace
        self.name = name

    @property
    def blobs(self) -> LocalBlobs:
        return LocalBlobs(self._namespace.store, self.name)

    @property
    def manifests(self) -> LocalManifests:
        return LocalManifests(self._namespace.store, self.name, self._namespace.cache, sparse=self._namespace.sparse)

    @property
    def tags(self) -> LocalTags:
        return LocalTags(self._namespace.store, self.name)

    @property
    def referrers(self) -> LocalReferrers:
        return LocalReferrers(self._namespace.store, self.name, self.manifests)
