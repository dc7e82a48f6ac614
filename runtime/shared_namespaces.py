"""Namespaces of another container: those that ``--pid container:NAME`` and ``--ipc container:NAME`` put one into.

Its supervisor holds them open while it starts the container, again at each restart, for they are new whenever the other
container is started. With the IPC namespace goes ``/dev/shm``, which is where POSIX keeps shared memory.
"""

from __future__ import annotations

import os

from runtime.errors import Fault
from runtime.kernel import clone_tree, join_mounts, open_inside, opened_mounts
from runtime.lean import suppress
from runtime.mounts import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from runtime.container import Container
    from runtime.containers import Containers

_KINDS: Final = ("pid", "ipc")
_PREFIX: Final = "container:"
#: Whose IPC namespace others may be in, beside those that are in another's.
_SHAREABLE: Final = ("shareable", "host")


def places(container: Container, wishes: Mapping[str, Any]) -> dict[str, str]:
    """Return the paths by which an OCI runtime finds the namespaces that a container is to be in, by their kinds."""
    return {kind: f"{container.running}/shared-{kind}" for kind in _owners(wishes)}


def open_namespaces(containers: Containers, container: Container, wishes: Mapping[str, Any]) -> list[int]:
    """Open what a container is to be in, and let it be found at its place: files to be kept open. Raises Fault."""
    opened = []
    for kind, path in places(container, wishes).items():
        file = _open(containers.get(_owners(wishes)[kind]), f"ns/{kind}", kind)
        opened.append(file)
        with suppress(FileNotFoundError):
            os.unlink(path)
        os.symlink(f"/proc/{os.getpid()}/fd/{file}", path)
    return opened


def open_shared_memory(
    containers: Containers, container: Container, wishes: Mapping[str, Any]
) -> list[tuple[int, str]]:
    """Open a copy of the mount of ``/dev/shm`` of the container whose IPC is shared: the file, and where it belongs.

    Raises Fault if it, or the container whose PIDs are shared, does not run, or keeps its IPC to itself.
    """
    owners = _owners(wishes)
    for kind, identifier in owners.items():
        os.close(_open(containers.get(identifier), f"ns/{kind}", kind))
    if "ipc" not in owners:
        return []
    owner = containers.get(owners["ipc"])
    description = owner.describe()
    mode = description.wishes["ipc"]
    if not (mode in _SHAREABLE or mode.startswith(_PREFIX)):
        raise Fault(
            f"--ipc: the container {description.name} has a non-shareable IPC namespace: run it with --ipc shareable"
        )
    os.makedirs(_shared_memory(container), mode=0o700, exist_ok=True)
    return [(_clone_shared_memory(owner), _shared_memory(container))]


def shared_memory(container: Container, wishes: Mapping[str, Any]) -> list[Mount]:
    """Return the mount of what was opened, if it was."""
    options = ("bind", "nosuid", "nodev", "noexec")
    return [Mount(_shared_memory(container), "/dev/shm", options)] if "ipc" in _owners(wishes) else []  # noqa: S108


def _owners(wishes: Mapping[str, Any]) -> dict[str, str]:
    """Return the IDs of the containers whose namespaces are asked for, by the kinds of these."""
    return {kind: wishes[kind].removeprefix(_PREFIX) for kind in _KINDS if wishes[kind].startswith(_PREFIX)}


def _shared_memory(container: Container) -> str:
    return f"{container.directory}/shm"


def _clone_shared_memory(owner: Container) -> int:
    files = [_open(owner, "ns/mnt", "ipc")]
    try:
        files.append(_open(owner, "root", "ipc"))
        files.append(open_inside(files[1], b"dev/shm", os.O_PATH | os.O_DIRECTORY, links=False))
        with opened_mounts() as (ours, root):
            # A mount can be copied by whoever is among those that it is one of. Our root stays, for we return.
            join_mounts(files[0], root)
            try:
                return clone_tree(f"/proc/self/fd/{files[2]}")
            finally:
                join_mounts(ours, root)
    finally:
        for file in files:
            os.close(file)


def _open(owner: Container, name: str, kind: str) -> int:
    """Open a file of a container's first process, which it is as long as the container runs. Raises Fault."""
    with suppress(FileNotFoundError):
        state = owner.state()
        if state.pid and state.alive:
            file = os.open(f"/proc/{state.pid}/{name}", os.O_RDONLY)
            if owner.state().pid == state.pid:
                return file
            os.close(file)
        raise Fault(f"--{kind}: the container {owner.describe().name} is not running: start it first")
    raise Fault(f"--{kind}: the container {owner.short_id} is not running, or not there any more")
