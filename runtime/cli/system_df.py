"""``preg system df``: what takes room on this host, and what of it could go."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from runtime import config
from runtime.cli import ps
from runtime.cli.image_filters import Listed, list_images, show_age
from runtime.cli.images import show_names
from runtime.cli.options import Option, Usage
from runtime.cli.sizes import show_size
from runtime.cli.table import FORMAT, print_document, print_records
from runtime.cli.targets import here
from runtime.containers import Containers
from runtime.disk_usage import size_of_tree, size_written
from runtime.images import Images
from runtime.rootless import enter
from runtime.volumes import Volume, Volumes, users_of

_COLUMNS: Final = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
_IMAGE_COLUMNS: Final = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
_CONTAINER_COLUMNS: Final = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "LocalVolumes": "LOCAL VOLUMES",
    "Size": "SIZE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Names": "NAMES",
}
_VOLUME_COLUMNS: Final = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
USAGE: Final = Usage(
    "system df [OPTION...]",
    "Show what images, containers and volumes take of the disk, and what 'preg system prune' could give back.",
    (
        Option("--verbose", "Tell of each image, container and volume", short="-v"),
        FORMAT._replace(choices=tuple(_COLUMNS)),
    ),
    notes=f"""
Fields: {", ".join(_COLUMNS)}.

Examples:
  preg system df -v
  preg system df --format '{{{{.Type}}}}: {{{{.Reclaimable}}}}'
""",
)


class ImageUsage(NamedTuple):
    """What an image takes, in bytes."""

    listed: Listed
    size: int
    shared: int
    """With other images."""
    containers: int
    """So many use it."""


class ContainerUsage(NamedTuple):
    """What a container has written, in bytes."""

    row: ps.Row
    size: int


class VolumeUsage(NamedTuple):
    """What a volume takes, in bytes, and how many containers have it."""

    volume: Volume
    size: int
    containers: int


class HostUsage(NamedTuple):
    """What takes room on this host."""

    layers: int
    """All layers together, in bytes; each is there once."""
    images: Sequence[ImageUsage]
    containers: Sequence[ContainerUsage]
    volumes: Sequence[VolumeUsage]


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    form = options.last("--format")
    containers = here()
    enter()  # what containers have written belongs to other IDs
    usage = _measure(containers)
    if "--verbose" not in options:
        print_records(_summarize(usage), tuple(_COLUMNS), _COLUMNS, form)
    elif form is None or form == "table":
        _print_all(usage)
    else:
        tables = {"Images": _image_records(usage), "Containers": _container_records(usage)}
        print_document({**tables, "Volumes": _volume_records(usage), "BuildCache": []}, form, kind="disk usage")
    return 0


def _measure(containers: Containers) -> HostUsage:
    home = config.load().home
    images, volumes = Images(home), Volumes(home)
    rows, _ = ps.list_rows(containers)
    users, used_images = users_of(containers), Counter(row.description.image_id for row in rows)
    with images.using():
        listed = list_images(images, lambda _: None)
        sizes = {name: images.layers.size_of(name) for name in images.layers.names()}
    layers = Counter(name for each in listed for name in _layers_of(each))
    return HostUsage(
        sum(sizes.values()),
        [
            ImageUsage(
                each,
                sum(sizes.get(name, 0) for name in _layers_of(each)),
                sum(sizes.get(name, 0) for name in _layers_of(each) if layers[name] > 1),
                used_images[str(each.image.id)],
            )
            for each in listed
        ],
        [ContainerUsage(row, size_written(row.container)) for row in rows],
        [
            VolumeUsage(each, size_of_tree(volumes.data(each.name)), len(users.get(each.name, ())))
            for each in volumes
            if not each.options  # as with Docker: it takes room elsewhere
        ],
    )


def _layers_of(listed: Listed) -> set[str]:
    return {diff_id.hex for diff_id in listed.image.config.rootfs.diff_ids}


def _summarize(usage: HostUsage) -> list[dict[str, Any]]:
    images, containers, volumes = usage.images, usage.containers, usage.volumes
    in_use = sum(image.size - image.shared for image in images if image.containers)
    return [
        _row("Images", len(images), sum(bool(each.containers) for each in images), usage.layers, usage.layers - in_use),
        _row(
            "Containers",
            len(containers),
            sum(each.row.state.alive for each in containers),
            sum(each.size for each in containers),
            sum(each.size for each in containers if not each.row.state.alive),
        ),
        _row(
            "Local Volumes",
            len(volumes),
            sum(bool(each.containers) for each in volumes),
            sum(each.size for each in volumes),
            sum(each.size for each in volumes if not each.containers),
        ),
        _row("Build Cache", 0, 0, 0, 0),
    ]


def _row(kind: str, total: int, active: int, size: int, reclaimable: int) -> dict[str, Any]:
    part = f" ({reclaimable * 100 // size}%)" if size else ""
    return {
        "Type": kind,
        "TotalCount": str(total),
        "Active": str(active),
        "Size": show_size(size, digits=4),
        "Reclaimable": f"{show_size(reclaimable, digits=4)}{part}",
    }


def _image_records(usage: HostUsage) -> list[dict[str, Any]]:
    return [
        {
            "Repository": repository,
            "Tag": tag,
            "ID": image.listed.image.id.hex[:12],
            "CreatedSince": show_age(image.listed.created),
            "Size": show_size(image.size),
            "SharedSize": show_size(image.shared, digits=4),
            "UniqueSize": show_size(image.size - image.shared, digits=4),
            "Containers": str(image.containers),
        }
        for image in usage.images
        for repository, tag in show_names(image.listed)
    ]


def _container_records(usage: HostUsage) -> list[dict[str, Any]]:
    return [
        {**ps.show(each.row, wide=False, networks=False), "Size": show_size(each.size)} for each in usage.containers
    ]


def _volume_records(usage: HostUsage) -> list[dict[str, Any]]:
    return [
        {"Name": each.volume.name, "Links": str(each.containers), "Size": show_size(each.size, digits=4)}
        for each in usage.volumes
    ]


def _print_all(usage: HostUsage) -> None:
    """Print a table of each kind, as Docker does."""
    tables: Iterable[tuple[str, Mapping[str, str], list[dict[str, Any]]]] = (
        ("Images", _IMAGE_COLUMNS, _image_records(usage)),
        ("Containers", _CONTAINER_COLUMNS, _container_records(usage)),
        ("Local Volumes", _VOLUME_COLUMNS, _volume_records(usage)),
    )
    for kind, columns, records in tables:
        sys.stdout.write(f"{kind} space usage:\n\n")
        print_records(records, tuple(columns), columns, None)
        sys.stdout.write("\n")
    sys.stdout.write("Build cache usage: 0B\n")
