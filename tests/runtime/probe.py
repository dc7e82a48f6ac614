"""What a process sees and may do, as JSON: run inside a container, with the standard library alone."""

import contextlib
import ctypes
import errno
import json
import os
import resource
import stat
import sys
from collections.abc import Callable, Iterator

LIBC = ctypes.CDLL(None, use_errno=True)
#: They do not return, end the process whatever becomes of them, or have all of the host wait.
NOT_TRIED = {"exit", "exit_group", "pause", "rt_sigreturn", "sync", "uprobe", "uretprobe", "vfork"}
SWITCHES = (
    *(
        "/proc/sys/kernel/hostname",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity",
    ),
    *("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/sys/kernel/mm/transparent_hugepage/enabled"),
    *("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/devices/devices.allow"),
)
SECRETS = (
    *("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/interrupts", "/proc/kmsg"),
    *("/proc/latency_stats", "/proc/timer_stats", "/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware"),
    *("/sys/devices/virtual/powercap", "/sys/devices/system/cpu/cpu0/thermal_throttle", "/sys/kernel/debug"),
)
LIMITS = (
    *("memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "memory/memory.soft_limit_in_bytes"),
    *("memory/memory.swappiness", "memory/memory.oom_control", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"),
    *("cpu/cpu.shares", "cpuset/cpuset.cpus", "cpuset/cpuset.mems", "pids/pids.max"),
    *("memory.max", "memory.low", "memory.swap.max", "cpu.max", "cpu.weight", "cpuset.cpus", "cpuset.mems", "pids.max"),
)


def in_child(action: Callable[[], int]) -> str:
    """The name of the error that something ends with in a process of its own, or what else becomes of it."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(action())
        except OSError as error:
            os._exit(error.errno or 255)
        finally:
            os._exit(255)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return errno.errorcode.get(code, f"ended with {code}") if code else "done"


def call(number: int, *arguments: int) -> str:
    """What becomes of a system call; without arguments, of one that cannot succeed."""

    def make() -> int:
        words = [ctypes.c_long(argument) for argument in arguments or (-1,) * 6]
        done = LIBC.syscall(ctypes.c_long(number), *words)
        return ctypes.get_errno() if done == -1 else 0

    return in_child(make)


def status() -> Iterator[tuple[str, str]]:
    wanted = ("Cap", "NoNewPrivs", "Seccomp:", "Uid", "Gid", "Groups", "Speculation")
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(wanted):
                name, _, value = line.partition(":")
                yield name, " ".join(value.split())


def mounts() -> Iterator[tuple[str, str]]:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            words = line.split()
            dash = words.index("-")
            target, kind = words[4], words[dash + 1]
            own = {
                word for word in words[dash + 3].split(",") if word.startswith(("size=", "mode=", "gid=", "ptmxmode="))
            }
            shown = own if kind in ("tmpfs", "devpts") else set()
            yield target, f"{kind} {','.join(sorted({*words[5].split(','), *shown}))}"


def devices() -> Iterator[tuple[str, str]]:
    for folder, _, names in os.walk("/dev"):
        for name in names:
            path = f"{folder}/{name}"
            about = os.lstat(path)
            kind = stat.filemode(about.st_mode)
            number = f"{os.major(about.st_rdev)}:{os.minor(about.st_rdev)}"
            yield path, f"{kind} {about.st_uid}:{about.st_gid} {os.readlink(path) if kind[0] == 'l' else number}"


def device_rules() -> Iterator[tuple[str, str]]:
    """Whether a device can be made, and then used."""
    tried = {
        "c": ((1, 1), (1, 3), (1, 11), (4, 0), (5, 1), (10, 200), (10, 229), (10, 237)),
        "b": ((7, 0), (8, 0), (253, 0)),
    }
    for kind, numbers in tried.items():
        for number in numbers:
            path = f"/dev/{kind}{number[0]}-{number[1]}"
            mode = (stat.S_IFCHR if kind == "c" else stat.S_IFBLK) | 0o600
            name = f"{kind} {number[0]}:{number[1]}"
            made = in_child(lambda path=path, mode=mode, number=number: os.mknod(path, mode, os.makedev(*number)) or 0)
            yield f"make {name}", made
            # ENXIO and its like is another host's business: what counts is whether it is forbidden.
            opened = in_child(lambda path=path: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)) or 0)
            yield f"use {name}", opened if opened in ("EPERM", "EACCES", "ENOENT") else "not forbidden"
            with contextlib.suppress(OSError):
                os.unlink(path)


def secrets() -> Iterator[tuple[str, str]]:
    for path in SECRETS:
        try:
            seen = len(os.listdir(path)) if os.path.isdir(path) else len(open(path, "rb", 0).read(4096))  # noqa: SIM115
            yield path, "shown" if seen else "empty"
        except OSError as error:
            yield path, errno.errorcode[error.errno or 0]


def switches() -> Iterator[tuple[str, str]]:
    """Whether what belongs to the kernel can be written to; it is opened only."""
    # That the file system is read-only, or its mount, comes to the same.
    forbidden = ("EACCES", "EPERM", "EROFS")
    for path in SWITCHES:
        tried = in_child(lambda path=path: os.close(os.open(path, os.O_WRONLY)) or 0)
        yield path, "forbidden" if tried in forbidden else tried
    for folder in ("/", "/dev", "/proc", "/sys", "/etc", "/dev/shm", "/x"):  # noqa: S108
        path = f"{folder}/made-by-probe"
        tried = in_child(lambda path=path: os.close(os.open(path, os.O_CREAT)) or 0)
        yield f"new file in {folder}", "forbidden" if tried in forbidden else tried
        with contextlib.suppress(OSError):
            os.unlink(path)


def limits() -> Iterator[tuple[str, str]]:
    for name in sorted(dir(resource)):
        if name.startswith("RLIMIT_"):
            yield name, str(resource.getrlimit(getattr(resource, name)))
    for path in LIMITS:
        with contextlib.suppress(OSError), open(f"/sys/fs/cgroup/{path}", encoding="ascii") as file:
            yield path, " ".join(file.read().split())


def settings() -> Iterator[tuple[str, str]]:
    names = ("kernel/hostname", "kernel/domainname", "kernel/msgmax", "net/core/somaxconn")
    for name in (*names, "net/ipv4/ping_group_range", "net/ipv4/ip_unprivileged_port_start"):
        with contextlib.suppress(OSError), open(f"/proc/sys/{name}", encoding="ascii") as file:
            yield name, " ".join(file.read().split())
    for path in ("/proc/self/oom_score_adj", "/proc/self/attr/current"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            yield path, file.read().strip()
    yield "umask", oct(os.umask(0))
    yield "directory", os.getcwd()
    yield "first process", open("/proc/1/cmdline", "rb").read().split(b"\0")[0].decode()  # noqa: SIM115
    yield "alone", str([name for name in os.listdir("/proc") if name.isdigit() and int(name) > 1000] == [])


def namespaces() -> Iterator[tuple[str, str]]:
    for name in os.listdir("/proc/self/ns"):
        yield name, os.readlink(f"/proc/self/ns/{name}")


def calls(numbers: dict[str, int]) -> Iterator[tuple[str, str]]:
    for name, number in numbers.items():
        if name not in NOT_TRIED:
            yield name, call(number)
    newest = max(numbers.values())
    yield "newer than all", call(newest + 100)
    yield "far newer than all", call(0x3FFFFFFF)
    for family in range(46):
        yield f"socket of family {family}", call(numbers["socket"], family, 3 if family == 16 else 1, 0)
    for personality in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF, 0x40000, 0x400000):
        yield f"personality {personality:#x}", call(numbers["personality"], personality)
    for flag in (0, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        yield f"clone with {flag:#x}", call(numbers["clone"], flag | 17, 0, 0, 0, 0)
        yield f"unshare {flag:#x}", call(numbers["unshare"], flag)


def main() -> None:
    parts = {
        part.__name__: dict(part())
        for part in (status, mounts, devices, device_rules, secrets, switches, limits, settings, namespaces)
    }
    if len(sys.argv) > 1:
        parts["calls"] = dict(calls(json.loads(sys.argv[1])))
    json.dump(parts, sys.stdout)


main()
