"""In which repository a blob was pushed last, for clients that want it and do not know where it is."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from storage.oci.digest import Digest
    from storage.oci.reference import Name

_BLOBS: Final = 10_000


class Sightings:
    """The blobs that this process stored last. It is no loss to forget one: it is sent once more, then."""

    def __init__(self) -> None:
        self._names: OrderedDict[Digest, Name] = OrderedDict()

    def note(self, digest: "Digest", name: "Name") -> None:
        """Remember where a blob is."""
        self._names[digest] = name
        self._names.move_to_end(digest)
        if len(self._names) > _BLOBS:
            self._names.popitem(last=False)

    def find(self, digest: "Digest") -> "Name | None":
        """Give a repository that held a blob."""
        return self._names.get(digest)
