"""What may cross the boundary of a storage driver.

The classes derive from the builtin that says the same, so a driver may raise ``FileNotFoundError`` without importing
anything of ours: the guard translates it.
"""


class StorageError(Exception):
    """A fault of the storage: ``detail`` is what happened, to the object ``key``, on the driver of that name."""

    def __init__(self, detail: str = "", *, key: str = "", driver: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.key = key
        self.driver = driver

    def __str__(self) -> str:
        """Name driver and key before what happened."""
        where = " ".join(part for part in (self.driver, repr(self.key) if self.key else "") if part)
        return f"{where}: {self.detail}" if where else self.detail


class NotFound(StorageError, FileNotFoundError):
    """There is no object at the key."""


class AlreadyExists(StorageError, FileExistsError):
    """There is an object at the key, and ``if_absent`` was asked for."""


class PreconditionFailed(StorageError):
    """The object at the key is not the one named by ``if_match``."""


class InvalidKey(StorageError, ValueError):
    """The key is outside the grammar of ``storage.driver``."""


class TooLarge(StorageError, ValueError):
    """The object is larger than the caller is ready to hold in memory."""


class Busy(StorageError, BlockingIOError):
    """Somebody else is writing to the upload at this moment."""


class StorageFull(StorageError):
    """No space, or no quota, is left."""


class StorageUnavailable(StorageError):
    """The storage did not answer, or not sensibly; the same call may succeed later."""
