"""Media types of manifests, and what a client says it accepts."""

from typing import Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT: Final = "application/vnd.oci.artifact.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA_1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCTET_STREAM: Final = "application/octet-stream"

#: Manifests that list other manifests.
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})
#: Manifests of one image or artifact.
IMAGES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
#: What may be pushed. Schema 1 is not here: it was withdrawn, and clients convert when told so (protocol of 2016).
MANIFESTS: Final = INDEXES | IMAGES | {OCI_ARTIFACT}

_FOREIGN: Final = (
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
)


def is_foreign_layer(media_type: str) -> bool:
    """Tell whether a layer of this type lies elsewhere by design and need not be in the repository."""
    return media_type.startswith(_FOREIGN)


def is_image_config(media_type: str) -> bool:
    """Tell whether a configuration of this type is that of an image which can be run."""
    return media_type.endswith(("image.config.v1+json", "container.image.v1+json"))


def essence(content_type: str) -> str:
    """Strip parameters such as ``charset`` from a Content-Type."""
    return content_type.partition(";")[0].strip().lower()


def accepted(accept_lines: list[str]) -> frozenset[str]:
    """Collect the media types of all Accept header lines; clients send one line, several, or a list in each.

    Quality values are not weighed: a type with ``q=0`` counts as absent, every other as accepted.
    """
    types = set()
    for line in accept_lines:
        for item in set(line.lower().split(",")):
            media_type, *parameters = (part.strip() for part in item.split(";"))
            refused = any(p.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters)
            if media_type and not refused:
                types.add(media_type)
    return frozenset(types)
