"""Images made here, byte for byte the same on every run, without any container tool."""

import gzip
import hashlib
import io
import itertools
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.parts.required import required
from tests.parts.wire import Wire, sha256

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

APPLETS = ("sh", "cat", "echo", "env", "false", "head", "id", "ls", "mkdir", "sleep", "true", "wc")


@dataclass(frozen=True)
class File:
    """A regular file of a layer or, with `link`, a symbolic link; `mode` is its permissions."""

    content: bytes = b""
    mode: int = 0o644
    link: str = ""


@dataclass(frozen=True)
class Image:
    """An OCI image: its layers' plain tar archives, and what its configuration says."""

    tars: tuple[bytes, ...] = field(repr=False)
    settings: Mapping[str, Any]
    architecture: str = "amd64"
    created: str = "1970-01-01T00:00:00Z"

    @cached_property
    def layers(self) -> tuple[bytes, ...]:
        """The layers as they are stored, compressed with gzip."""
        return tuple(gzip.compress(tar, compresslevel=1, mtime=0) for tar in self.tars)

    @cached_property
    def config(self) -> bytes:
        return _json(
            {
                "created": self.created,
                "architecture": self.architecture,
                "os": "linux",
                "config": self.settings,
                "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in self.tars]},
                "history": [{"created_by": "tests"} for _ in self.tars],
            }
        )

    @cached_property
    def config_digest(self) -> str:
        """What docker and podman call the image's ID."""
        return sha256(self.config)

    @cached_property
    def manifest(self) -> bytes:
        return _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, self.config),
                "layers": [_descriptor(LAYER, layer) for layer in self.layers],
            }
        )

    @cached_property
    def digest(self) -> str:
        return sha256(self.manifest)

    @cached_property
    def blobs(self) -> dict[str, bytes]:
        """Configuration and layers by their digests."""
        return {sha256(content): content for content in (self.config, *self.layers)}

    @cached_property
    def diff_ids(self) -> list[str]:
        """The digests of the uncompressed layers: what docker and podman know a layer by."""
        return [sha256(tar) for tar in self.tars]


@dataclass(frozen=True)
class Index:
    """One name for several images, one for each architecture."""

    images: tuple[Image, ...]
    variants: tuple[str, ...] = ()

    @cached_property
    def manifest(self) -> bytes:
        entries = []
        for image, variant in itertools.zip_longest(self.images, self.variants):
            platform = {"architecture": image.architecture, "os": "linux"} | ({"variant": variant} if variant else {})
            entries.append({**_descriptor(MANIFEST, image.manifest), "platform": platform})
        return _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    @cached_property
    def digest(self) -> str:
        return sha256(self.manifest)


def layer(files: Mapping[str, File]) -> bytes:
    """A tar archive of `files`, with the folders they need."""
    folders = {str(above) for name in files for above in Path(name).parents} - {"."}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(folders):
            tar.addfile(_member(name, tarfile.DIRTYPE, 0o755))
        for name, file in sorted(files.items()):
            member = _member(name, tarfile.SYMTYPE if file.link else tarfile.REGTYPE, file.mode)
            member.linkname, member.size = file.link, len(file.content)
            tar.addfile(member, io.BytesIO(file.content))
    return archive.getvalue()


def busybox(text: str = "") -> Image:
    """An image that runs: a static busybox with a few applets, and `text` in /text."""
    program = Path(required("busybox")).read_bytes()
    files = {f"bin/{applet}": File(link="busybox") for applet in APPLETS}
    users = b"root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n"
    base = layer({**files, "bin/busybox": File(program, 0o755), "etc/passwd": File(users), "tmp/.keep": File()})
    settings = {"Env": ["PATH=/bin", "MADE_BY=tests"], "Cmd": ["/bin/cat", "/text"]}
    return Image((base, layer({"text": File(text.encode())})), settings)


def data(seed: str, layers: int = 4, size: int = 1 << 20, architecture: str = "amd64") -> Image:
    """An image of `layers` layers, each with a file of `size` bytes that do not compress."""
    tars = tuple(
        layer({f"data/{number}": File(random.Random(f"{seed} {number}").randbytes(size))}) for number in range(layers)
    )
    return Image(tars, {"Cmd": ["/none"]}, architecture)


def multi_arch(seed: str) -> Index:
    """An index of three architectures; the images share no layer."""
    return Index(
        tuple(
            data(f"{seed} {architecture}", layers=2, size=1 << 16, architecture=architecture)
            for architecture in ("amd64", "arm64", "riscv64")
        )
    )


def push(wire: Wire, repository: str, tag: str, image: Image | Index) -> None:
    """Store an image by plain HTTP requests, with no client in between."""
    if isinstance(image, Index):
        for child in image.images:
            push(wire, repository, child.digest, child)
        wire.push_manifest(repository, tag, image.manifest, INDEX)
        return
    for content in image.blobs.values():
        wire.push_blob(repository, content)
    wire.push_manifest(repository, tag, image.manifest, MANIFEST)


def write_oci_layout(folder: Path, image: Image | Index, tag: str) -> Path:
    """Write an OCI image layout that holds `image` under `tag`."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in _all_blobs(image):
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    media_type = INDEX if isinstance(image, Index) else MANIFEST
    entry = _descriptor(media_type, image.manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return folder


def read_oci_layout(folder: Path) -> dict[str, bytes]:
    """The blobs of an OCI image layout by digest, each checked against its name."""
    blobs = {}
    for path in (folder / "blobs" / "sha256").iterdir():
        content = path.read_bytes()
        assert sha256(content) == f"sha256:{path.name}"
        blobs[f"sha256:{path.name}"] = content
    return blobs


def write_docker_archive(path: Path, image: Image, name: str) -> Path:
    """Write what `docker load` reads: the plain layers, the configuration and a list of both."""
    files = {f"{hashlib.sha256(tar).hexdigest()}.tar": tar for tar in image.tars}
    config = f"{hashlib.sha256(image.config).hexdigest()}.json"
    listing = [{"Config": config, "RepoTags": [name], "Layers": list(files)}]
    content = {**files, config: image.config, "manifest.json": _json(listing)}
    path.write_bytes(layer({name: File(each) for name, each in content.items()}))
    return path


def read_docker_archive(path: Path) -> tuple[bytes, list[bytes]]:
    """The configuration and the plain layers of a `docker save`, in order."""
    with tarfile.open(path) as archive:
        (listed,) = json.loads(_read(archive, "manifest.json"))
        return _read(archive, listed["Config"]), [_read(archive, one) for one in listed["Layers"]]


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member
    return member.read()


def _all_blobs(image: Image | Index) -> Sequence[bytes]:
    if isinstance(image, Image):
        return [image.manifest, *image.blobs.values()]
    return [image.manifest, *(blob for child in image.images for blob in _all_blobs(child))]


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    return member


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
