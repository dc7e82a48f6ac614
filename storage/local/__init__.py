"""Repositories on a storage driver, in the layout of ``registry:2``."""

from storage.local.namespace import LocalNamespace

__all__ = ["LocalNamespace"]
