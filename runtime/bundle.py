"""A container's ``config.json`` (runtime-spec, config.md), with Docker's defaults. Nothing here touches the host."""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from runtime.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.images import Process
    from runtime.users import User

#: What root in a container may do (moby, oci/caps/defaults.go).
CAPABILITIES: Final = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)
#: What of the kernel's a container must not read, and what it must not write (moby, oci/defaults.go).
MASKED_PATHS: Final = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_STRICT: Final = ("nosuid", "noexec", "nodev")


class Volume(msgspec.Struct, frozen=True):
    """A path of the host that is seen in the container."""

    source: str
    target: str
    options: tuple[str, ...] = ("rbind", "rprivate")


class Wishes(msgspec.Struct, frozen=True):
    """What was asked of a container on the command line; None and empty leave it to the image.

    It is kept with the container, and read again by later versions: what is added needs a default.
    """

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    working_dir: str = ""
    terminal: bool = False
    host_network: bool = False


def arguments(image: "Process", wishes: Wishes) -> list[str]:
    """Decide what is executed: an entrypoint of the command line drops the image's command, as with Docker.

    Raises Fault if neither names anything.
    """
    if wishes.entrypoint is not None:
        words = [*wishes.entrypoint, *wishes.command]
    else:
        words = [*(image.entrypoint or ()), *(wishes.command or image.cmd or ())]
    if not words:
        raise Fault("the image names no command: give one behind its name")
    return words


def environment(image: "Process", wishes: Wishes, hostname: str, home: str) -> list[str]:
    """List the variables: what is given later wins, and Docker's defaults come first."""
    variables = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if wishes.terminal:
        variables["TERM"] = "xterm"
    for item in (*(image.env or ()), *wishes.environment):
        name, _, value = item.partition("=")
        variables[name] = value
    variables.setdefault("HOME", home)
    return [f"{name}={value}" for name, value in variables.items()]


def build(  # noqa: PLR0913 - what the host adds to what image and person want
    image: "Process",
    wishes: Wishes,
    user: "User",
    *,
    identifier: str,
    root: str,
    files: "Sequence[Volume]",
    cgroup_namespace: bool,
) -> dict[str, Any]:
    """Write the configuration. ``files`` are those of ``/etc`` that the host provides."""
    capabilities = list(CAPABILITIES)
    hostname = identifier[:12]
    return {
        "ociVersion": "1.0.2",
        "hostname": hostname,
        "root": {"path": root, "readonly": False},
        "process": {
            "terminal": wishes.terminal,
            # The group is listed among the others too: a setgid program would replace it else, and so evade what
            # a file denies to that group (CVE-2022-36109).
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": [user.gid, *user.groups], "umask": 0o022},
            "args": arguments(image, wishes),
            "env": environment(image, wishes, hostname, user.home),
            "cwd": wishes.working_dir or image.working_dir or "/",
            # Capabilities are root's; another user may gain them by a setuid program, as with Docker.
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities if user.uid == 0 else [],
                "permitted": capabilities if user.uid == 0 else [],
            },
            "noNewPrivileges": False,
        },
        "mounts": [*_mounts(), *(_bind(volume) for volume in (*files, *wishes.volumes))],
        "linux": {
            "namespaces": _namespaces(wishes, cgroup_namespace=cgroup_namespace),
            "cgroupsPath": f"/preg/{identifier}",
            "resources": {"devices": _devices()},
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }


def _mount(kind: str, target: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}


def _mounts() -> list[dict[str, Any]]:
    return [
        _mount("proc", "/proc", *_STRICT),
        _mount("tmpfs", "/dev", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        _mount("sysfs", "/sys", *_STRICT, "ro"),
        _mount("cgroup", "/sys/fs/cgroup", *_STRICT, "ro"),
        _mount("mqueue", "/dev/mqueue", *_STRICT),
        _mount("tmpfs", "/dev/shm", *_STRICT, "mode=1777", "size=65536k"),  # noqa: S108 - of the container
    ]


def _bind(volume: Volume) -> dict[str, Any]:
    return {
        "destination": volume.target,
        "type": "bind",
        "source": volume.source,
        "options": list(volume.options),
    }


def _namespaces(wishes: Wishes, *, cgroup_namespace: bool) -> list[dict[str, str]]:
    kinds = ["mount", "pid", "uts", "ipc"]
    if not wishes.host_network:
        kinds.append("network")
    if cgroup_namespace:
        kinds.append("cgroup")
    return [{"type": kind} for kind in kinds]


def _devices() -> list[dict[str, Any]]:
    """Forbid all devices but the usual ones; any may be made, but not opened (moby, oci/defaults.go)."""
    usual = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None))
    rules: list[dict[str, Any]] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "b", "access": "m"},
    ]
    for major, minor in usual:
        rule = {"allow": True, "type": "c", "major": major, "access": "rwm"}
        rules.append(rule if minor is None else rule | {"minor": minor})
    return rules
