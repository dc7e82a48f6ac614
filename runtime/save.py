"""Write images as an OCI layout, in a directory or in an archive that docker and podman load.

Layers are written as they came, so nothing is packed anew and digests stay what they were.
"""

import io
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol

import msgspec

from runtime.errors import Fault
from runtime.images import Image, Images
from runtime.load import IMAGE_NAME, REF_NAME
from storage.oci.digest import Digest
from storage.oci.document import Descriptor
from storage.oci.manifest import Index, encode
from storage.oci.reference import Reference

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'


class Saving(NamedTuple):
    """An image with the names that it is saved by."""

    image: Image
    names: list[Reference]


class Target(Protocol):
    """Where an OCI layout is written."""

    def add(self, name: str, size: int, content: IO[bytes]) -> None:
        """Add a file."""


class Folder:
    """A directory that is made anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir()

    def add(self, name: str, size: int, content: IO[bytes]) -> None:  # noqa: ARG002 - see Target
        """Add a file."""
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            shutil.copyfileobj(content, file)


class Archive:
    """A tar archive."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._folders: set[str] = set()

    def add(self, name: str, size: int, content: IO[bytes]) -> None:
        """Add a file, with the folders that it is in."""
        for folder in map(str, reversed(Path(name).parents[:-1])):
            if folder not in self._folders:
                self._folders.add(folder)
                self._tar.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
        member = _member(name, tarfile.REGTYPE, 0o644)
        member.size = size
        self._tar.addfile(member, content)


def save_archive(images: Images, saving: list[Saving], file: IO[bytes], *, docker: bool) -> None:
    """Write images to a stream, as ``save`` does."""
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        save(images, saving, Archive(tar), docker=docker)


def save(images: Images, saving: list[Saving], target: Target, *, docker: bool) -> None:
    """Write images; with ``docker`` the list that docker and podman look for as well. Raises Fault or OSError."""
    for name, digest in _contents(saving):
        try:
            with open(images.content(digest), "rb") as file:
                target.add(name, os.fstat(file.fileno()).st_size, file)
        except FileNotFoundError as error:
            raise Fault(f"{digest} is missing on this host: pull the image again") from error
    documents = {"index.json": encode(Index(manifests=list(_entries(saving)))), "oci-layout": _LAYOUT}
    if docker:
        documents["manifest.json"] = msgspec.json.encode([_list(each) for each in saving])
    for name, content in documents.items():
        target.add(name, len(content), io.BytesIO(content))


def _contents(saving: list[Saving]) -> Iterable[tuple[str, Digest]]:
    return {_file(digest): digest for each in saving for digest in each.image.digests}.items()


def _file(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _entries(saving: list[Saving]) -> Iterator[Descriptor]:
    """Describe each image once for each of its names."""
    for image, names in saving:
        manifest = image.manifest
        for name in names or (None,):
            notes = {IMAGE_NAME: str(name), REF_NAME: str(name.tag)} if name is not None else None
            yield Descriptor(
                media_type=manifest.media_type, digest=manifest.digest, size=len(manifest.raw), annotations=notes
            )


def _list(saving: Saving) -> dict[str, object]:
    return {
        "Config": _file(saving.image.id),
        "RepoTags": [name.familiar for name in saving.names],
        "Layers": [_file(layer.digest) for layer in saving.image.manifest.layers],
    }


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    return member
