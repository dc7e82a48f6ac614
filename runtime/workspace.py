"""Where a command keeps what is half done, and from where it becomes part of the images on this host."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runtime.claim import scratch
from runtime.errors import Fault
from runtime.images import Images, Record
from runtime.layers import sync_file
from runtime.lean import to_json
from runtime.lock import make_private
from runtime.record import plain
from runtime.rootless import enter
from storage.oci.digest import Digest

if TYPE_CHECKING:
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Reference

#: In a workspace, the list of what must not be removed while it is there.
_PINNED: Final = "pinned"


class Workspace:
    """A directory of one command's, in the file system of the images."""

    def __init__(self, images: Images, path: Path) -> None:
        self._images = images
        self.path = path

    def pin(self, digests: Iterable[Digest]) -> None:
        """Keep content, and layers by their diff IDs, from being removed for as long as the workspace is there."""
        with self._images.using():
            (self.path / _PINNED).write_text("\n".join(digests))

    def add(self, file: Path, digest: Digest) -> None:
        """Make a file content that is known to have this digest."""
        _publish(file, self._images.content(digest))

    def add_bytes(self, raw: bytes, digest: Digest) -> None:
        """Keep a manifest or configuration that is known to have this digest."""
        file = self.path / digest.hex
        file.write_bytes(raw)
        self.add(file, digest)

    def keep(self, manifest: "Manifest", target: Digest, references: "Iterable[Reference]") -> None:
        """Say that an image is here, all of which is pinned or kept already, and let names stand for it.

        ``target`` is what the registry knows it by: the manifest's digest, or that of an index. Raises Fault for a name
        with another digest: whoever pins one relies on it.
        """
        if manifest.config is None:
            raise Fault(f"{target} is no container image")
        references = list(references)
        for reference in references:
            if reference.digest not in (None, target, manifest.digest):
                raise Fault(f"{reference} cannot be the name of this image, whose digest is {target}")
        record = Record("", manifest.config.digest, manifest.digest, manifest.media_type, target, time.time())
        with self._images.using():
            self._write(record, self._images.record_file(record.image))
            for reference in references:
                self.name(record, reference)

    def replace(self, record: Record, manifest: "Manifest") -> Record:
        """Let an image and its names stand for another form of it, all of which is pinned; give the record then.

        A name with a digest goes on to stand for what has this digest.
        """

        def changed(record: Record) -> Record:
            return record._replace(manifest=manifest.digest, media_type=manifest.media_type, target=manifest.digest)

        with self._images.using():
            for name in self._images.names():
                if name.manifest == record.manifest and "@" not in name.reference:
                    self._write(changed(name), self._images.name_file(name.reference))
            found = self._images.find_by_id(record.image)
            if found is not None and found.manifest == record.manifest:
                self._write(changed(found), self._images.record_file(record.image))
        return changed(record)

    def name(self, record: Record, reference: "Reference") -> None:
        """Let a name stand for an image that is here; called while ``using``."""
        text = str(reference.decisive)
        self._write(record._replace(reference=text), self._images.name_file(text))

    def _write(self, record: Record, target: str) -> None:
        file = self.path / "record"
        file.write_text(to_json(plain(record)))
        _publish(file, target)


@contextmanager
def open_workspace(images: Images) -> Iterator[Workspace]:
    """Make a workspace; it is removed afterwards, if need be by a later command.

    Files of layers have owners that are for root to give, so whoever is not becomes root of a user namespace.
    """
    enter()
    with scratch(Path(images.new)) as path:
        yield Workspace(images, path)


def pinned(images: Images) -> set[Digest]:
    """List what running commands have pinned; asked for while ``removing``."""
    digests: set[Digest] = set()
    with suppress(FileNotFoundError):
        for workspace in Path(images.new).iterdir():
            with suppress(OSError):
                digests.update(map(Digest, (workspace / _PINNED).read_text().split()))
    return digests


def _publish(file: Path, target: str) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
    make_private(os.path.dirname(target))
    file.rename(target)
    sync_file(os.path.dirname(target))
