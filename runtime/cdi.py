"""Devices whose vendors have written down what a container needs to use them (Container Device Interface, CDI 1.0).

``VENDOR/CLASS=NAME`` is looked up in the files of two directories. What is found there is root's word on this host, as
a command line is: device nodes, files to mount, variables, groups, and programs to run while the container is made.
"""

import os
import stat
from typing import Any, Final, NamedTuple

from runtime.devices import Node
from runtime.errors import Fault
from runtime.lean import from_json
from runtime.mounts import Mount
from runtime.record import read

#: As every implementation has them; a device of the second takes the place of one of the first.
FOLDERS: Final = ("/etc/cdi", "/var/run/cdi")
_EVERYTHING: Final = "rwm"
_PROPAGATIONS: Final = ("private", "slave", "shared")


class DeviceNode(NamedTuple):
    """A device as a specification has it; what it leaves out is as on this host."""

    path: str
    host_path: str = ""
    type: str = ""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    permissions: str = _EVERYTHING
    uid: int | None = None
    gid: int | None = None

    @staticmethod
    def json_name(name: str) -> str:
        """Give the name that a field has in a specification."""
        return {"host_path": "hostPath", "file_mode": "fileMode"}.get(name, name)


class HostFile(NamedTuple):
    """A file or directory of this host that is mounted."""

    host_path: str
    container_path: str
    options: tuple[str, ...] = ()
    type: str = ""

    @staticmethod
    def json_name(name: str) -> str:
        """Give the name that a field has in a specification."""
        return {"host_path": "hostPath", "container_path": "containerPath"}.get(name, name)


class Hook(NamedTuple):
    """A program that is run while the container is made."""

    hook_name: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None

    @staticmethod
    def json_name(name: str) -> str:
        """Give the name that a field has in a specification."""
        return "hookName" if name == "hook_name" else name

    def describe(self) -> dict[str, Any]:
        """Say how to run it (runtime-spec, config.md, "POSIX-platform Hooks")."""
        return {name: value for name, value in self._asdict().items() if name != "hook_name" and value}


class Edits(NamedTuple):
    """What a device changes of a container."""

    env: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[HostFile, ...] = ()
    hooks: tuple[Hook, ...] = ()
    additional_gids: tuple[int, ...] = ()

    @staticmethod
    def json_name(name: str) -> str:
        """Give the name that a field has in a specification."""
        return {"device_nodes": "deviceNodes", "additional_gids": "additionalGids"}.get(name, name)

    def join(self, more: "Edits") -> "Edits":
        """Add what another device changes."""
        return Edits(
            self.env + more.env,
            self.device_nodes + more.device_nodes,
            self.mounts + more.mounts,
            self.hooks + more.hooks,
            self.additional_gids + more.additional_gids,
        )


class _Device(NamedTuple):
    name: str
    container_edits: Edits = Edits()

    @staticmethod
    def json_name(name: str) -> str:
        return "containerEdits" if name == "container_edits" else name


class _Specification(NamedTuple):
    kind: str
    devices: tuple[_Device, ...] = ()
    container_edits: Edits = Edits()

    @staticmethod
    def json_name(name: str) -> str:
        return "containerEdits" if name == "container_edits" else name


def find_edits(names: tuple[str, ...]) -> Edits:
    """Put together what devices change of a container. Raises Fault for one that is not there."""
    known: dict[str, tuple[_Specification, _Device]] = {}
    for folder in FOLDERS:
        for path in _files(folder):
            specification = _read(path)
            for device in specification.devices:
                known[f"{specification.kind}={device.name}"] = (specification, device)
    found, general = Edits(), []
    for name in names:
        if name not in known:
            there = f"there are {', '.join(sorted(known))}" if known else "and nothing else"
            raise Fault(
                f"there is no device {name} in {' and '.join(FOLDERS)}, {there}; for GPUs of NVIDIA"
                " 'nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml' writes them down"
            )
        specification, device = known[name]
        if specification not in general:
            general.append(specification)
            found = found.join(specification.container_edits)
        found = found.join(device.container_edits)
    return found


def _files(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    return sorted(f"{folder}/{name}" for name in os.listdir(folder) if name.endswith((".json", ".yaml", ".yml")))


def _read(path: str) -> _Specification:
    """Read a specification. Raises Fault: what one cannot read may be what is asked for."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return read(_Specification, from_json(text) if path.endswith(".json") else _read_yaml(text))
    except ValueError as error:
        raise Fault(f"{path} is no specification of CDI devices: {error}") from error


def _read_yaml(text: str) -> object:
    import yaml  # noqa: PLC0415 - for those whose vendor writes it

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def mounts_of(edits: Edits, taken: set[str]) -> tuple[Mount, ...]:
    """Give what is to be mounted, but where something else was asked for. Raises Fault."""
    found: dict[str, Mount] = {}
    for each in edits.mounts:
        target = os.path.normpath(f"/{each.container_path.lstrip('/')}")
        if each.type not in ("", "bind", "none") or not each.host_path.startswith("/"):
            raise Fault(f"a CDI device wants {each.host_path!r} mounted as {each.type}: preg mounts files of this host")
        if target not in taken:
            found[target] = Mount(each.host_path, target, _options(each.options))
    return tuple(found.values())


def _options(given: tuple[str, ...]) -> tuple[str, ...]:
    kind = () if {"bind", "rbind"} & {*given} else ("rbind",)
    passed_on = () if any(word.endswith(_PROPAGATIONS) for word in given) else ("rprivate",)
    return (*kind, *passed_on, *given)


def apply(edits: Edits, bundle: dict[str, Any]) -> None:
    """Change a container's configuration as devices want it, but for the mounts. Raises Fault."""
    process, linux = bundle["process"], bundle["linux"]
    names = {variable.partition("=")[0] for variable in edits.env}
    process["env"] = [*(each for each in process["env"] if each.partition("=")[0] not in names), *edits.env]
    groups = process["user"].setdefault("additionalGids", [])
    groups += [group for group in dict.fromkeys(edits.additional_gids) if group not in groups]
    for node in edits.device_nodes:
        described, rule = _describe_node(node)
        linux["devices"] = [*(each for each in linux["devices"] if each["path"] != node.path), described]
        linux["resources"]["devices"].append(rule)
    for hook in edits.hooks:
        bundle.setdefault("hooks", {}).setdefault(hook.hook_name, []).append(hook.describe())


def _describe_node(wanted: DeviceNode) -> tuple[dict[str, Any], dict[str, Any]]:
    """Say how to make a device, and that it may be used. Raises Fault."""
    if not os.path.normpath(wanted.path).startswith("/dev/"):
        raise Fault(f"a CDI device wants a node at {wanted.path}, and they are made in /dev alone")
    source = wanted.host_path or wanted.path
    try:
        status = os.stat(source)
    except OSError as error:
        raise Fault(f"a CDI device wants {source}: {error.strerror}; is its driver loaded?") from error
    if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
        raise Fault(f"a CDI device wants {source}, which is no device")
    node = Node(wanted.path, status, wanted.permissions)
    numbers = {"type": wanted.type, "major": wanted.major, "minor": wanted.minor} if wanted.type else {}
    asked = {"fileMode": wanted.file_mode, "uid": wanted.uid, "gid": wanted.gid}
    described = node.describe() | numbers | {name: value for name, value in asked.items() if value is not None}
    return described, node.allow() | numbers
