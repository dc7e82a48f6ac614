"""What was asked of a container's process and mounts, in the names of Docker's API."""

from __future__ import annotations

from runtime import bundle
from runtime.errors import Fault
from runtime.image_config import ImageConfig, Process
from runtime.images import Images
from storage.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.bundle import Wishes
    from runtime.container import Container, Description
    from runtime.mounts import Mount


def read_image(container: Container, description: Description) -> ImageConfig:
    """Read what the image says; nothing if it is damaged, for what the person wants can be told all the same."""
    try:
        return Images(container.home).config(Digest(description.image_id), description.image)
    except (Fault, OSError):
        return ImageConfig()


def describe_process(image: Process, wishes: Wishes) -> dict[str, Any]:
    """Give the part of ``Config`` that image and person decide together."""
    entrypoint, command = bundle.entrypoint_and_command(image, wishes)
    volumes = [*(image.volumes or ()), *(mount.target for mount in wishes.mounts if mount.anonymous)]
    return {
        "Env": [f"{name}={value}" for name, value in bundle.variables(image, wishes).items()],
        "Cmd": list(command) or None,
        "Entrypoint": list(entrypoint) or None,
        "WorkingDir": wishes.working_dir or image.working_dir,
        "Volumes": {volume: {} for volume in volumes} or None,
        "OnBuild": None,
    }


def describe_mounts(wishes: Wishes) -> dict[str, Any]:
    """Give the part of ``HostConfig`` that says what is mounted: as ``-v`` has it, and what only ``--mount`` says."""
    named = [mount for mount in wishes.mounts if not mount.anonymous]
    binds = [mount for mount in named if mount.kind == "volume" or mount.make]
    others = [_show_mount(mount) for mount in named if mount not in binds]
    return {"Binds": [_show_bind(mount) for mount in binds] or None, "Mounts": others or None}


def _show_bind(mount: Mount) -> str:
    mode = mount.mode or ("" if mount.writable else "ro")
    return f"{mount.source}:{mount.target}:{mode}".removesuffix(":")


def _show_mount(mount: Mount) -> dict[str, Any]:
    source = {"Source": mount.source} if mount.source else {}
    read_only = {} if mount.writable else {"ReadOnly": True}
    return {"Type": mount.kind, **source, "Target": mount.target, **read_only}
