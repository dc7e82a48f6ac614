"""What ``preg inspect`` tells of an image."""

from typing import Any, Final

import msgspec

from runtime.cli.times import show_time
from runtime.image_history import History
from runtime.images import Images, Record
from runtime.layers import ROOT
from storage.oci.reference import Reference

#: What of a configuration is shown as it is, by Docker's name.
_SHOWN: Final = {
    "Created": "created",
    "Author": "author",
    "DockerVersion": "docker_version",
    "Architecture": "architecture",
    "Variant": "variant",
    "Os": "os",
}
#: What Docker has where a configuration says nothing.
_NO_CONFIG: Final[dict[str, Any]] = {
    **dict.fromkeys(("Hostname", "Domainname", "User"), ""),
    **dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce"), False),
    **dict.fromkeys(("Env", "Cmd"), None),
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    **dict.fromkeys(("Entrypoint", "OnBuild", "Labels"), None),
}


def describe_image(images: Images, record: Record) -> dict[str, Any]:
    """Put together what is known of an image, in the names of Docker's API. Raises Fault if it is damaged."""
    image = images.open(record)
    config: dict[str, Any] = msgspec.json.decode(images.read(image.id))
    names = [Reference.parse(name.reference) for name in images.names() if name.image == image.id]
    history = History.parse(images.read(image.id), image.id).history
    shown = {name: config[key] for name, key in _SHOWN.items() if config.get(key) is not None}
    size = sum(map(images.layers.size, image.config.rootfs.diff_ids))
    lower = [f"{images.layers.path(diff_id)}/{ROOT}" for diff_id in reversed(image.config.rootfs.diff_ids)]
    return {
        "Id": image.id,
        "RepoTags": [name.familiar for name in names if name.tag is not None],
        "RepoDigests": [name.familiar for name in names if name.tag is None],
        "Parent": "",
        "Comment": history[-1].comment if history else "",
        "DockerVersion": "",
        "Author": "",
        "Config": _NO_CONFIG | (config.get("config") or {}),
        **shown,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": {"Data": {"LowerDir": ":".join(lower)}, "Name": "overlay"},
        "Metadata": {"LastTagTime": show_time(0)},
        "RootFS": {"Type": "layers", "Layers": list(image.config.rootfs.diff_ids)},
        "Descriptor": {
            "mediaType": image.manifest.media_type,
            "digest": image.manifest.digest,
            "size": len(image.manifest.raw),
        },
    }
