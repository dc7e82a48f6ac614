"""What was asked of a container about its isolation, in the names of Docker's API (``HostConfig``)."""

from __future__ import annotations

from runtime import cgroup
from runtime.bundle import MASKED_PATHS, READONLY_PATHS
from runtime.resources import WEIGHT
from runtime.seccomp import UNCONFINED
from runtime.ulimits import UNLIMITED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from runtime.bundle import Wishes
    from runtime.ulimits import Ulimit

#: What there is no option for, as Docker has it where none is given.
_NOT_ASKED_FOR: Final[dict[str, Any]] = {
    "ContainerIDFile": "",
    "VolumeDriver": "",
    "VolumesFrom": None,
    "Cgroup": "",
    "ConsoleSize": [0, 0],
    "Isolation": "",
    "CpuCount": 0,
    "CpuPercent": 0,
    "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0,
    "IOMaximumBandwidth": 0,
    "IOMaximumIOps": 0,
}
_DISK_LIMITS: Final = {
    "BlkioWeightDevice": WEIGHT,
    "BlkioDeviceReadBps": "--device-read-bps",
    "BlkioDeviceReadIOps": "--device-read-iops",
    "BlkioDeviceWriteBps": "--device-write-bps",
    "BlkioDeviceWriteIOps": "--device-write-iops",
}


def describe_isolation(wishes: Wishes) -> dict[str, Any]:
    """Give the part that says how the container is kept apart."""
    return {
        **_NOT_ASKED_FOR,
        "Privileged": wishes.privileged,
        "CapAdd": list(wishes.cap_add) or None,
        "CapDrop": list(wishes.cap_drop) or None,
        "SecurityOpt": _security_options(wishes) or None,
        "ReadonlyRootfs": wishes.read_only,
        "MaskedPaths": None if wishes.shows_kernel else list(MASKED_PATHS),
        "ReadonlyPaths": None if wishes.shows_kernel else list(READONLY_PATHS),
        "Init": wishes.init or None,
        "Devices": [
            {"PathOnHost": device.source, "PathInContainer": device.target, "CgroupPermissions": device.access}
            for device in wishes.devices
        ],
        "DeviceRequests": _describe_requests(wishes),
        "DeviceCgroupRules": list(wishes.device_rules) or None,
        **({"Annotations": wishes.annotations} if wishes.annotations else {}),
        "Tmpfs": {tmpfs.target: tmpfs.written for tmpfs in wishes.tmpfs} or None,
        "ShmSize": wishes.shm_size,
        "Sysctls": wishes.sysctls or None,
        "Ulimits": [_describe_ulimit(limit) for limit in wishes.ulimits],
        "OomScoreAdj": wishes.oom_score_adj or 0,
        "PidMode": wishes.pid,
        "UTSMode": "host" if wishes.host_uts else "",
        "IpcMode": wishes.ipc,
        "CgroupParent": f"/{wishes.cgroup_parent}" if wishes.cgroup_parent else "",
        "CgroupnsMode": wishes.cgroupns or ("private" if cgroup.is_unified() else "host"),
        "UsernsMode": "",
        "GroupAdd": list(wishes.groups) or None,
        "ExtraHosts": list(wishes.hosts) or None,
        "Dns": list(wishes.dns),
        "DnsSearch": list(wishes.dns_search),
        "DnsOptions": list(wishes.dns_options),
        **_describe_resources(wishes),
    }


def _describe_requests(wishes: Wishes) -> list[dict[str, Any]] | None:
    if not wishes.vendor_devices:
        return None
    ids = list(wishes.vendor_devices)
    return [{"Driver": "cdi", "Count": 0, "DeviceIDs": ids, "Capabilities": None, "Options": None}]


def _security_options(wishes: Wishes) -> list[str]:
    options = ["no-new-privileges"] if wishes.no_new_privileges else []
    if wishes.seccomp:
        # Docker, too, gives the profile itself.
        options.append(f"seccomp={wishes.seccomp}")
    if wishes.apparmor:
        options.append(f"apparmor={wishes.apparmor}")
    return [*options, f"systempaths={UNCONFINED}"] if wishes.unmasked else options


def _describe_ulimit(limit: Ulimit) -> dict[str, Any]:
    soft, hard = (-1 if value == UNLIMITED else value for value in (limit.soft, limit.hard))
    return {"Name": limit.name, "Soft": soft, "Hard": hard}


def _describe_disk_limits(wishes: Wishes, option: str) -> list[dict[str, Any]]:
    limits, name = wishes.resources.disk_limits, "Weight" if option == WEIGHT else "Rate"
    return [{"Path": limit.path, name: limit.rate} for limit in limits if limit.option == option]


def _describe_resources(wishes: Wishes) -> dict[str, Any]:
    resources = wishes.resources
    swap = resources.memory_swap or 2 * resources.memory
    return {
        "Memory": resources.memory,
        "MemorySwap": swap,
        "MemoryReservation": resources.memory_reservation,
        "MemorySwappiness": None if resources.memory_swappiness < 0 else resources.memory_swappiness,
        "OomKillDisable": resources.oom_kill_disable,
        "NanoCpus": resources.nano_cpus,
        "CpuShares": resources.cpu_shares,
        "CpuPeriod": resources.cpu_period,
        "CpuQuota": resources.cpu_quota,
        "CpusetCpus": resources.cpuset_cpus,
        "CpusetMems": resources.cpuset_mems,
        "PidsLimit": resources.pids_limit or None,
        "BlkioWeight": resources.blkio_weight,
        **{name: _describe_disk_limits(wishes, option) for name, option in _DISK_LIMITS.items()},
    }
