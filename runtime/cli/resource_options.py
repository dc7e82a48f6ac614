"""What a person lets a container use of the host."""

from __future__ import annotations

import os

from runtime.cli.quantities import is_digits, read_cpus, read_number, read_size
from runtime.errors import UsageError
from runtime.resources import DISK_LIMITS, WEIGHT, DiskLimit, Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.cli.options import Options

#: Less than this an OCI runtime cannot start in.
_LEAST_MEMORY: Final = 6 * 1024 * 1024


def ask_resources(options: Options, wishes: Wishes, *, whole: bool = True) -> Wishes:
    """Add to the wishes what the options say, with what they need if they are the ``whole``. Raises UsageError."""
    resources = Resources(
        memory=_size(options, "--memory"),
        memory_swap=-1 if options.last("--memory-swap") == "-1" else _size(options, "--memory-swap"),
        memory_reservation=_size(options, "--memory-reservation"),
        memory_swappiness=_number(options, "--memory-swappiness", -1, 100, default=-1),
        oom_kill_disable="--oom-kill-disable" in options,
        nano_cpus=_cpus(options),
        cpu_shares=_number(options, "--cpu-shares", 0),
        cpu_period=_number(options, "--cpu-period", 0, 1_000_000),
        cpu_quota=_number(options, "--cpu-quota", -1),
        cpuset_cpus=_list(options, "--cpuset-cpus"),
        cpuset_mems=_list(options, "--cpuset-mems"),
        pids_limit=_number(options, "--pids-limit", -1),
        blkio_weight=_number(options, "--blkio-weight", 0, 1000),
        disk_limits=tuple(_read_disk_limit(name, text) for name in DISK_LIMITS for text in options.all(name)),
    )
    if whole:
        check_resources(resources)
    return wishes._replace(resources=resources)


def check_resources(resources: Resources) -> None:
    """Refuse limits that contradict each other. Raises UsageError."""
    _check_memory(resources)
    _check_cpu(resources)


def _read_disk_limit(name: str, text: str) -> DiskLimit:
    """Read ``DEVICE:RATE``. Raises UsageError."""
    path, colon, rate = text.rpartition(":")
    if not colon or not path.startswith("/dev/"):
        raise UsageError(f"{name} {text!r}: it is DEVICE:RATE, with a path below /dev")
    if name == WEIGHT:
        return DiskLimit(name, os.path.normpath(path), read_number(name, rate, 10, 1000))
    number = read_size(name, rate) if name.endswith("bps") else read_number(name, rate, 0, 2**63 - 1)
    return DiskLimit(name, os.path.normpath(path), number)


def _check_memory(resources: Resources) -> None:
    if 0 < resources.memory < _LEAST_MEMORY:
        raise UsageError("--memory: a container needs at least 6m")
    if resources.memory_swap and not resources.memory:
        raise UsageError("--memory-swap counts memory and swap together, so it needs --memory too")
    if 0 < resources.memory_swap < resources.memory:
        raise UsageError("--memory-swap counts memory and swap together, so it cannot be less than --memory")
    if resources.memory and resources.memory_reservation > resources.memory:
        raise UsageError("--memory-reservation cannot be more than --memory")


def _check_cpu(resources: Resources) -> None:
    if resources.nano_cpus and (resources.cpu_period or resources.cpu_quota):
        raise UsageError("--cpus says the same as --cpu-period and --cpu-quota: use one way or the other")
    if 0 < resources.cpu_period < 1000 or 0 < resources.cpu_quota < 1000:
        raise UsageError("--cpu-period and --cpu-quota cannot be less than 1000 microseconds")
    if 0 < resources.blkio_weight < 10:
        raise UsageError("--blkio-weight is from 10 to 1000, or 0 for none")


def _size(options: Options, name: str) -> int:
    text = options.last(name)
    return 0 if text is None else read_size(name, text)


def _number(options: Options, name: str, least: int, most: int = 2**63 - 1, *, default: int = 0) -> int:
    text = options.last(name)
    return default if text is None else read_number(name, text, least, most)


def _cpus(options: Options) -> int:
    text = options.last("--cpus")
    if text is None:
        return 0
    wanted, there = read_cpus("--cpus", text), os.cpu_count() or 1
    if wanted and not 10_000_000 <= wanted <= there * 10**9:
        raise UsageError(f"--cpus {text}: it is from 0.01 to {there}, for so many processors are there")
    return wanted


def _list(options: Options, name: str) -> str:
    text = options.last(name) or ""
    if text and not all(is_digits(end) for part in text.split(",") for end in part.split("-", maxsplit=1)):
        raise UsageError(f"{name} {text}: a list is such as 0-2,4")
    return text
