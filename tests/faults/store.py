"""What must hold of every store at every moment, checked on its files and not through the server."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import assert_never

from storage import layout
from storage.layout import (
    BlobData,
    Entry,
    LayerLink,
    ReferrerDescriptor,
    ReferrerMark,
    RevisionLink,
    TagHistoryLink,
    TagLink,
    UploadData,
)
from storage.oci.digest import Digest
from storage.oci.document import decode_descriptor
from storage.oci.manifest import Manifest

# What the folder driver keeps beside the objects.
OWN = ".preg~"


class Store:
    """The objects of a folder, each known to the layout. AssertionError names a file that is not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # By key: as tuples a layer's link equals a revision's.
        self.entries: dict[str, Entry] = {}
        for path in sorted(folder.rglob("*")):
            key = path.relative_to(folder).as_posix()
            if path.is_dir() or key.startswith(f"{OWN}/"):
                continue
            entry = layout.parse(key)
            assert entry is not None, f"{key} is no file of the layout"
            assert entry.key == key
            self.entries[key] = entry

    def check(self, *, whole_images: bool = True) -> Counter[type[Entry]]:
        """Check every object; how many there are of each kind.

        `whole_images` also asks for all that a manifest refers to, which a client may have deleted on purpose.
        """
        for entry in self.entries.values():
            self._check(entry, self.folder / entry.key, whole_images)
        return Counter(map(type, self.entries.values()))

    def holds(self, entry: Entry) -> bool:
        return entry.key in self.entries

    def _check(self, entry: Entry, path: Path, whole_images: bool) -> None:
        match entry:
            case BlobData(digest):
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, digest.algorithm).hexdigest()
                assert content == digest.hex, f"{path} holds other bytes"
            case LayerLink(_, digest):
                assert path.read_text() == digest
                assert self.holds(BlobData(digest)), f"{path} links to nothing"
            case RevisionLink(_, digest):
                assert path.read_text() == digest
                self._check_manifest(entry, whole_images)
            case TagLink(name, _):
                revision = RevisionLink(name, Digest(path.read_text()))
                assert self.holds(revision), f"{path} points to a manifest that is not there"
            case ReferrerMark(name, subject, digest):
                place = entry.descriptor(int(path.read_text()))
                assert self.holds(place), f"{path} speaks of a referrer that is not listed"
            case ReferrerDescriptor(name, subject, _, digest):
                manifest = self._manifest(RevisionLink(name, digest))
                assert manifest.subject is not None
                assert manifest.subject.digest == subject
                assert decode_descriptor(path.read_bytes()) == manifest.descriptor
            case TagHistoryLink() | UploadData():
                raise AssertionError(f"{path}: nothing of ours writes this")
            case _:
                assert_never(entry)

    def _check_manifest(self, revision: RevisionLink, whole_images: bool) -> None:
        manifest = self._manifest(revision)
        if manifest.subject is not None:
            referrer = ReferrerMark(revision.name, manifest.subject.digest, manifest.digest)
            assert self.holds(referrer), f"{revision} is not listed under its subject"
        if not whole_images:
            return
        for blob in manifest.blobs:
            assert self.holds(LayerLink(revision.name, blob.digest)), f"{revision} lacks {blob.digest}"
        for child in manifest.children:
            held = RevisionLink(revision.name, child.digest), LayerLink(revision.name, child.digest)
            assert any(map(self.holds, held)), f"{revision} lacks {child.digest}"

    def _manifest(self, revision: RevisionLink) -> Manifest:
        assert self.holds(revision), f"{revision} is not there"
        data = BlobData(revision.digest)
        assert self.holds(data), f"{revision} links to nothing"
        return Manifest.stored((self.folder / data.key).read_bytes(), revision.digest)


def own_files(folder: Path) -> list[str]:
    """The uploads and half-written objects that lie in a folder; locks, which stay, are left out."""
    return sorted(
        path.relative_to(folder / OWN).as_posix()
        for path in (folder / OWN).rglob("*")
        if path.is_file() and path.parent.name != "locks"
    )
