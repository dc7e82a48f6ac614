"""What this host has to say about how a container is kept apart from it."""

from __future__ import annotations

import os

from runtime import cgroup
from runtime.capabilities import EVERY, grant, held_by_us
from runtime.config import CALLER
from runtime.devices import find_disk_limits, find_nodes
from runtime.errors import Fault
from runtime.lean import NamedTuple, suppress
from runtime.resources import Resources
from runtime.rootless import privileges
from runtime.seccomp import UNCONFINED, Wanted, find_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.devices import Node
    from runtime.engine import Engine
    from runtime.seccomp import Filter

_CPUS: Final = "/sys/devices/system/cpu"
_APPARMOR: Final = "/sys/kernel/security/apparmor"


class Isolation(NamedTuple):
    """All of it that a configuration needs."""

    capabilities: list[str]
    filter: Filter | None
    nodes: list[Node]
    masked: list[str]
    """Paths to be hidden that other hosts may not have."""
    shared: list[str]
    """Where this host keeps what ``--ipc host`` shows."""
    apparmor: str
    init: str
    """The program that comes first, if one was asked for."""
    cgroup_namespace: bool
    swap: bool
    """Swap is counted, so it can be limited."""
    disk_limits: dict[str, list[dict[str, int]]] = {}  # noqa: RUF012 - never changed


def isolate(wishes: Wishes, engine: Engine, architecture: str) -> Isolation:
    """Find out what a container with these wishes gets here, whose image is for an architecture. Raises Fault."""
    usable, of_host = cgroup.is_usable(), privileges().of_host
    check_limits(wishes)
    if not usable and of_host and engine.name != "crun":
        raise Fault(f"{engine.name} needs control groups, and this host lets preg make none: apt install crun")
    # Without the host's root nobody makes devices that can be used.
    granted = _grant(wishes, with_devices_kept=usable or not of_host)
    wanted = Wanted(wishes.seccomp, granted, architecture if architecture == "386" else "")
    unfiltered = wishes.seccomp == UNCONFINED or (wishes.privileged and not wishes.seccomp)
    return Isolation(
        capabilities=granted,
        filter=None if unfiltered else find_filter(wanted, engine.name, engine.state),
        nodes=find_nodes(wishes.devices, privileged=wishes.privileged),
        masked=_thermal_paths(),
        shared=[path for path in ("/dev/mqueue", "/dev/shm") if os.path.isdir(path)],  # noqa: S108
        apparmor=_apparmor(wishes),
        init=_init() if wishes.init else "",
        cgroup_namespace=cgroup.is_unified() if not wishes.cgroupns else wishes.cgroupns == "private",
        swap=bool(wishes.resources.memory) and cgroup.counts_swap(),
        disk_limits=find_disk_limits(wishes.resources.disk_limits),
    )


def _grant(wishes: Wishes, *, with_devices_kept: bool) -> list[str]:
    """Decide which capabilities the container has; ``with_devices_kept`` says whether others' devices stay closed."""
    held = held_by_us()
    for name in wishes.cap_add:
        if name not in (EVERY, *held):
            raise Fault(f"--cap-add {name}: this host keeps it from preg itself")
    if "CAP_SYS_RESOURCE" not in held or not privileges().of_host:
        for limit in wishes.ulimits:
            limit.check()
    granted = grant(wishes.cap_add, wishes.cap_drop, held, privileged=wishes.privileged)
    if with_devices_kept or wishes.privileged:
        return granted
    # Nothing else keeps a container from using the devices that it makes.
    return [name for name in granted if name != "CAP_MKNOD"]


def check_limits(wishes: Wishes) -> None:
    """Refuse limits that nothing here could keep. Raises Fault."""
    if wishes.cgroup_parent and (CALLER != 0 or not cgroup.is_usable()):
        raise Fault(
            f"--cgroup-parent {wishes.cgroup_parent}: this needs control groups that are root's to make; without root"
            " limit all containers together by 'systemctl --user set-property preg.slice'"
        )
    if wishes.resources != Resources():
        if not cgroup.is_usable():
            raise Fault(f"limits such as --memory and --cpus are kept by control groups, {_why_unusable()}")
        if cgroup.is_unified() and (missing := cgroup.missing(wishes.resources.controllers())):
            raise Fault(f"the limits need control groups with {' and '.join(sorted(missing))}, {_why_missing()}")
    if cgroup.is_unified() and (wishes.resources.memory_swappiness >= 0 or wishes.resources.oom_kill_disable):
        raise Fault("--memory-swappiness and --oom-kill-disable are of cgroup v1, and this host has v2: leave them out")
    if wishes.resources.weighs_disks and not cgroup.weighs_disks():
        raise Fault("--blkio-weight, --blkio-weight-device: this kernel has no weights for the use of disks")


def _why_unusable() -> str:
    if CALLER == 0:
        return "and this host lets preg make none: mount /sys/fs/cgroup so that it can be written to"
    from runtime.delegation import how_to_get_groups  # noqa: PLC0415 - not for root

    return f"and you have none: {how_to_get_groups()}, or leave them out"


def _why_missing() -> str:
    if CALLER == 0:
        return "which this host keeps to itself: leave them out"
    from runtime.delegation import HOW_TO_GET_CONTROLLERS  # noqa: PLC0415 - not for root

    return f"which your systemd has not been given: {HOW_TO_GET_CONTROLLERS}, or leave them out"


def _thermal_paths() -> list[str]:
    """List what tells how warm each processor is, by which others' work can be watched (moby, oci/defaults.go)."""
    if not os.path.exists(f"{_CPUS}/cpu0/thermal_throttle"):
        return []
    return [f"{_CPUS}/cpu{number}/thermal_throttle" for number in range(os.cpu_count() or 1)]


def _init() -> str:
    from runtime.init import find_init  # noqa: PLC0415 - most containers have none

    return find_init()


def _apparmor(wishes: Wishes) -> str:
    """Give the profile that was asked for, where the kernel has such things; where not it is passed over."""
    wanted = wishes.apparmor
    if not wanted or not os.path.exists(_APPARMOR):
        return ""
    # The engines would say that the command is not there. The list is root's to read.
    with suppress(OSError), open(f"{_APPARMOR}/profiles", encoding="utf-8") as file:
        if wanted not in ("unconfined", *(line.rpartition(" (")[0] for line in file)):
            raise Fault(f"--security-opt apparmor={wanted}: no such profile is loaded: 'apparmor_parser FILE' does")
    return wanted
