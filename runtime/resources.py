"""How much of the host a container may use, by its control group."""

from runtime.lean import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

#: How often the kernel looks whether a container has used up its time, in microseconds.
_PERIOD: "Final" = 100_000


#: The option that prefers one's use of a disk to another's.
WEIGHT: "Final" = "--blkio-weight-device"
#: Options about the use of a disk, by their names in a bundle (runtime-spec, config-linux.md, "Block IO").
DISK_LIMITS: "Final" = {
    "--device-read-bps": "throttleReadBpsDevice",
    "--device-read-iops": "throttleReadIOPSDevice",
    "--device-write-bps": "throttleWriteBpsDevice",
    "--device-write-iops": "throttleWriteIOPSDevice",
    WEIGHT: "weightDevice",
}


class DiskLimit(NamedTuple):
    """How fast a disk may be used, or with what weight, by an option."""

    option: str
    path: str
    rate: int


class Resources(NamedTuple):
    """Limits in Docker's terms; 0 and empty are none, and -1 lifts one. Memory is in bytes, periods in microseconds."""

    memory: int = 0
    memory_swap: int = 0
    """Memory and swap together; without it twice the memory."""
    memory_reservation: int = 0
    memory_swappiness: int = -1
    oom_kill_disable: bool = False
    nano_cpus: int = 0
    """Processors, in billionths."""
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    disk_limits: tuple[DiskLimit, ...] = ()

    @property
    def weighs_disks(self) -> bool:
        """Whether it shall be preferred to others that use a disk, or they to it."""
        return bool(self.blkio_weight) or any(limit.option == WEIGHT for limit in self.disk_limits)

    def controllers(self) -> set[str]:
        """Name those of cgroup v2 that keep what was asked."""
        needed = {
            "memory": self.memory or self.memory_swap or self.memory_reservation,
            "cpu": self.nano_cpus or self.cpu_shares or self.cpu_period or self.cpu_quota,
            "cpuset": self.cpuset_cpus or self.cpuset_mems,
            "pids": self.pids_limit > 0,
            "io": self.blkio_weight or self.disk_limits,
        }
        return {name for name, asked in needed.items() if asked}

    def render(self, *, swap: bool) -> dict[str, "Any"]:
        """Give what was asked as ``linux.resources``; ``swap`` says whether this host counts that."""
        period, quota = self.cpu_period, self.cpu_quota
        if self.nano_cpus:
            period, quota = _PERIOD, self.nano_cpus * _PERIOD // 1_000_000_000
        memory = {
            "limit": self.memory,
            "swap": (self.memory_swap or 2 * self.memory) if swap else 0,
            "reservation": self.memory_reservation,
            "disableOOMKiller": self.oom_kill_disable,
        }
        if self.memory_swappiness >= 0:
            memory["swappiness"] = self.memory_swappiness
        cpu = {
            "shares": self.cpu_shares,
            "period": period,
            "quota": quota,
            "cpus": self.cpuset_cpus,
            "mems": self.cpuset_mems,
        }
        asked = {
            "memory": {name: value for name, value in memory.items() if value or name == "swappiness"},
            "cpu": {name: value for name, value in cpu.items() if value},
            "pids": {"limit": self.pids_limit} if self.pids_limit > 0 else {},
            "blockIO": {"weight": self.blkio_weight} if self.blkio_weight else {},
        }
        return {name: values for name, values in asked.items() if values}
