"""A container's control groups, in either version of their file system.

A container is named by what ``Container.group`` gives: its ID, behind that of the group above it if one was asked for.
"""

from __future__ import annotations

import os
import time

from runtime.config import CALLER
from runtime.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_ROOT: Final = "/sys/fs/cgroup"
#: What stops and wakes a container, and what is written there: with cgroup v1, v2, and both where v1 has none.
_FREEZERS: Final = {
    "/freezer{}/freezer.state": ("FROZEN", "THAWED"),
    "{}/cgroup.freeze": ("1", "0"),
    "/unified{}/cgroup.freeze": ("1", "0"),
}
#: What says that all processes have stopped, and how.
_STILL: Final = {
    "/freezer{}/freezer.state": "FROZEN",
    "{}/cgroup.events": "frozen 1",
    "/unified{}/cgroup.events": "frozen 1",
}
#: What counts the processes that were killed for want of memory: with cgroup v1, v2, and both where v1 has none.
_MEMORY: Final = ("/memory{}/memory.oom_control", "{}/memory.events", "/unified{}/memory.events")
#: A group whose last process has just been reaped may be busy for a moment.
_TRIES: Final = 50
#: Seconds to wait for processes that were killed, or are to stop: on a busy host it may take a while until they run
#: once more, which is when they do so.
_PATIENCE: Final = 10.0


_usable: Final[dict[str, bool]] = {}


def is_unified() -> bool:
    """Tell whether this host has cgroup v2 alone."""
    return os.path.exists(f"{_ROOT}/cgroup.controllers")


def counts_swap() -> bool:
    """Tell whether this host can limit swap; kernels can be told not to count it."""
    if not is_unified():
        return os.path.exists(f"{_ROOT}/memory/memory.memsw.limit_in_bytes")
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        ours = next(line.rstrip("\n").partition("::")[2] for line in file if line.startswith("0::"))
    # Not every group has limits of memory, and the root of all has none.
    while ours.strip("/") and not os.path.exists(f"{_ROOT}{ours}/memory.max"):
        ours = os.path.dirname(ours)
    return not ours.strip("/") or os.path.exists(f"{_ROOT}{ours}/memory.swap.max")


def weighs_disks() -> bool:
    """Tell whether this host can prefer one group's use of disks to another's; with cgroup v1 some kernels cannot."""
    return is_unified() or os.path.exists(f"{_ROOT}/blkio/blkio.weight")


def is_usable() -> bool:
    """Tell whether groups can be made: in a container of another's they often cannot. It is looked for once.

    A user other than root can have some made by their systemd, if there is one.
    """
    if _ROOT not in _usable:
        if CALLER == 0:
            _usable[_ROOT] = any(os.access(parent, os.W_OK) for parent in _hierarchies())
        else:
            _usable[_ROOT] = is_unified() and os.path.exists(manager_socket())
    return _usable[_ROOT]


def do_without() -> None:
    """Take it that no groups can be made."""
    _usable[_ROOT] = False


def manager_socket() -> str:
    """Give where the systemd of this user listens, who is not root (systemd's src/core/dbus.c)."""
    return f"/run/user/{CALLER}/systemd/private"


def parent() -> str:
    """Give the group that systemd has set aside for a user, by its path in each hierarchy; root has all."""
    return "" if CALLER == 0 else f"/user.slice/user-{CALLER}.slice/user@{CALLER}.service"


def missing(wanted: set[str]) -> set[str]:
    """Tell which of these controllers of cgroup v2 are not ours to limit anything with."""
    try:
        return wanted - set(_read(f"{_ROOT}{parent()}/cgroup.controllers").split())
    except FileNotFoundError:
        return set()


def directory(path: str) -> str:
    """Give where a group of cgroup v2 is."""
    return f"{_ROOT}{path}"


def path(identifier: str) -> str:
    """Give the group of a container, by its path in each hierarchy."""
    if CALLER != 0:
        return f"{scope(identifier)}/container"
    return f"/{identifier}" if "/" in identifier else f"/preg/{identifier}"


def scope(identifier: str) -> str:
    """Give the group that a user's systemd makes for a container and its supervisor."""
    return f"{parent()}/preg.slice/preg-{identifier}.scope"


def groups(identifier: str) -> list[str]:
    """List the directories of a container: one with cgroup v2, one for each controller with v1."""
    ours = path(identifier)
    return [group for root in _hierarchies() if os.path.isdir(group := f"{root}{ours}")]


def _hierarchies() -> list[str]:
    if is_unified():
        return [_ROOT]
    try:
        # Some names are links to others.
        return [entry.path for entry in os.scandir(_ROOT) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def hasten() -> None:
    """Let the process that next joins a group do so at once: begin, in a thread, what it would have to wait for.

    Whoever moves a process takes a lock of the kernel's (cgroup_threadgroup_rwsem), and has to wait until every
    processor has gone through a quiet state (RCU), some 10 ms, unless somebody has had it just before. So we move
    ourselves to where we are.
    """
    import _thread  # noqa: PLC0415 - not for those who only look

    file = _open_ours()
    if file is None:
        return
    waiting = _thread.allocate_lock()
    waiting.acquire()

    def move() -> None:
        waiting.release()
        with suppress(OSError):
            os.write(file, b"0")
        os.close(file)

    try:
        _thread.start_new_thread(move, ())
    except RuntimeError:  # we may have no more threads
        os.close(file)
        return
    # Else Python would let it begin after 5 ms.
    waiting.acquire()


def _open_ours() -> int | None:
    """Open the list of the processes in one of our groups; None if it cannot be written to, or we are not in it.

    Such is the list of another group when somebody has shown us a part of the groups, or has given them other names.
    """
    with suppress(OSError, ValueError):
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            _, controllers, ours = file.readline().rstrip("\n").split(":", 2)
        processes = f"{_ROOT}/{controllers.removeprefix('name=')}{ours}/cgroup.procs"
        if str(os.getpid()) in _read(processes).split():
            return os.open(processes, os.O_WRONLY)
    return None


def remove(identifier: str) -> None:
    """Remove the groups of a container whose processes are gone. Raises OSError if one is not."""
    for group in groups(identifier):
        for tries in range(_TRIES):
            try:
                os.rmdir(group)
                break
            except FileNotFoundError:
                break
            except OSError:
                if tries == _TRIES - 1:
                    raise
                for below in reversed(_tree(group)[1:]):
                    with suppress(OSError):
                        os.rmdir(below)
                time.sleep(0.002)


def kill(identifier: str) -> None:
    """Kill the processes of a container, and wait until they have ended, but not for those that the kernel holds up."""
    limit = time.monotonic() + _PATIENCE
    with suppress(OSError):
        # Else they would not run once more.
        set_frozen(identifier, frozen=False)
    for group in groups(identifier):
        while pids := _processes(group):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            if time.monotonic() > limit:
                return
            time.sleep(0.002)


def processes(identifier: str) -> set[int]:
    """List the processes of a container; none where it has no group."""
    return next((found for group in groups(identifier) if (found := _processes(group))), set())


def _processes(group: str) -> set[int]:
    """List the processes in a group, and in those that the container has made below it."""
    found: set[int] = set()
    for each in _tree(group):
        with suppress(OSError):
            found.update(int(pid) for pid in _read(f"{each}/cgroup.procs").split())
    return found


def _tree(group: str) -> list[str]:
    """List a group and all below it, each before those below it."""
    found = [group]
    for each in found:
        with suppress(OSError):
            found += [entry.path for entry in os.scandir(each) if entry.is_dir(follow_symlinks=False)]
    return found


def oom_kills(identifier: str) -> int:
    """Count the processes of a container that were killed because it wanted more memory than it may have."""
    for name in _MEMORY:
        with suppress(OSError, ValueError):
            words = _read(f"{_ROOT}{name.format(path(identifier))}").split()
            return int(words[words.index("oom_kill") + 1])
    return 0


def set_frozen(identifier: str, *, frozen: bool) -> bool:
    """Stop or wake all processes of a container; False if it has no group to do it with."""
    for name, values in _FREEZERS.items():
        with suppress(FileNotFoundError):
            _write(f"{_ROOT}{name.format(path(identifier))}", values[0 if frozen else 1])
            return True
    return False


def lift_pids_limit(identifier: str) -> None:
    """Let a container have any number of processes."""
    for name in ("/pids{}/pids.max", "{}/pids.max"):
        with suppress(FileNotFoundError):
            _write(f"{_ROOT}{name.format(path(identifier))}", "max")
            return


def wait_until_still(identifier: str) -> None:
    """Wait until the processes of a container have stopped, but not for those that the kernel holds up."""
    limit = time.monotonic() + _PATIENCE
    while time.monotonic() < limit and not _is_still(identifier):
        time.sleep(0.002)


def _is_still(identifier: str) -> bool:
    for name, said in _STILL.items():
        with suppress(OSError):
            return said in _read(f"{_ROOT}{name.format(path(identifier))}")
    return True


def is_frozen(identifier: str) -> bool:
    """Tell whether the processes of a container are stopped, or are to stop where they are."""
    for name, values in _FREEZERS.items():
        with suppress(OSError):
            return _read(f"{_ROOT}{name.format(path(identifier))}") != values[1]
    return False


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def _write(path: str, value: str) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, value.encode())
    finally:
        os.close(file)
