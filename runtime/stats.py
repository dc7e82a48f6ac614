"""What a container uses of its host, by its control groups and its network devices."""

import os
from contextlib import suppress
from typing import Final, NamedTuple

from runtime import cgroup

#: Of the times in /proc/stat; a second has a hundred of these.
_TICK: Final = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """What has been used until now, and what is used; times are in nanoseconds, sizes in bytes."""

    processor: int = 0
    system: int = 0
    """The time that all processors have spent, idle or not."""
    memory: int = 0
    limit: int = 0
    received: int = 0
    sent: int = 0
    read: int = 0
    written: int = 0
    processes: int = 0


def sample(group: str, pid: int) -> Sample:
    """Measure a container whose first process has this ID; 0 is a container that does not run."""
    if not pid:
        return Sample()
    files = _Files(cgroup.groups(group))
    received, sent = _network(pid)
    read, written = _blocks(files)
    total = _memory_of_host()
    limit = files.number("memory.max", "memory.limit_in_bytes")
    return Sample(
        processor=_processor(files),
        system=_system(),
        memory=_memory(files),
        limit=min(limit, total) if limit else total,
        received=received,
        sent=sent,
        read=read,
        written=written,
        processes=files.number("pids.current") or len(cgroup.processes(group)),
    )


def processor_share(before: Sample, after: Sample) -> float:
    """Give the percentage of one processor that was used between two samples, as Docker counts it."""
    system, own = after.system - before.system, after.processor - before.processor
    return own / system * (os.cpu_count() or 1) * 100 if system > 0 and own > 0 else 0.0


class _Files:
    """The files of a container's groups, in whichever of them they are."""

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def text(self, *names: str) -> str:
        """Read the first of these that is there."""
        for name in names:
            for group in self._groups:
                with suppress(OSError), open(f"{group}/{name}", encoding="ascii") as file:
                    return file.read()
        return ""

    def number(self, *names: str) -> int:
        """Read a number; 0 if there is none, or no limit."""
        text = self.text(*names).strip()
        return int(text) if text.isdecimal() else 0

    def value(self, name: str, key: str) -> int:
        """Read what stands behind a key."""
        words = self.text(name).split()
        return int(words[words.index(key) + 1]) if key in words else 0


def _processor(files: _Files) -> int:
    return files.number("cpuacct.usage") or files.value("cpu.stat", "usage_usec") * 1000


def _system() -> int:
    with open("/proc/stat", encoding="ascii") as file:
        # The time of guests is in that of users already.
        times = file.readline().split()[1:9]
    return sum(int(ticks) for ticks in times) * (1_000_000_000 // _TICK)


def _memory(files: _Files) -> int:
    """Give what is used without the files that nobody has used lately, which are given up first."""
    used = files.number("memory.current", "memory.usage_in_bytes")
    name = "total_inactive_file" if files.text("memory.usage_in_bytes") else "inactive_file"
    cached = files.value("memory.stat", name)
    return used - cached if cached < used else used


def _memory_of_host() -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(file.readline().split()[1]) * 1024


def _network(pid: int) -> tuple[int, int]:
    """Sum up what the devices of a process's network have received and sent, but for loopback."""
    received = sent = 0
    with suppress(OSError), open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
        for line in file:
            device, colon, numbers = line.partition(":")
            if colon and device.strip() != "lo":
                fields = numbers.split()
                received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent


def _blocks(files: _Files) -> tuple[int, int]:
    """Sum up what was read from devices and written to them."""
    counts = {"read": 0, "write": 0}
    for line in files.text("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes").splitlines():
        words = line.lower().split()
        if len(words) == 3 and words[1] in counts:
            counts[words[1]] += int(words[2])
    for word in files.text("io.stat").split():
        name, _, number = word.partition("=")
        if name in ("rbytes", "wbytes"):
            counts["read" if name == "rbytes" else "write"] += int(number)
    return counts["read"], counts["write"]
