"""Capabilities (capabilities(7)): what of root's power a container has."""

from __future__ import annotations

from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

#: What root in a container may do (moby, oci/caps/defaults.go).
DEFAULT: Final = (
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
_NAMES: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
#: All there are; the place of each is the kernel's number for it (linux/capability.h).
ALL: Final = tuple(f"CAP_{name}" for name in _NAMES.split())
#: What stands for all of them.
EVERY: Final = "ALL"


def read_capability(option: str, text: str) -> str:
    """Read a capability, with or without ``CAP_``, or ``ALL``, for an option. Raises UsageError."""
    name = text.upper().removeprefix("CAP_")
    if name == EVERY:
        return EVERY
    if f"CAP_{name}" not in ALL:
        raise UsageError(f"{option} {text}: there is no such capability")
    return f"CAP_{name}"


def grant(add: Sequence[str], drop: Sequence[str], held: Sequence[str], *, privileged: bool) -> list[str]:
    """Decide what a container gets of what we hold: all if privileged, else the default with what is added and dropped.

    As with Docker, adding everything leaves out what is dropped, and dropping everything leaves what is added.
    """
    if privileged:
        wanted = list(ALL)
    elif EVERY in add:
        wanted = [name for name in ALL if name not in drop]
    elif EVERY in drop:
        wanted = list(add)
    else:
        wanted = [*(name for name in DEFAULT if name not in drop), *add]
    return [name for name in dict.fromkeys(wanted) if name in held]


def held_by_us() -> list[str]:
    """List what this process could pass on."""
    with open("/proc/self/status", "rb") as status:
        bits = int(status.read().partition(b"\nCapPrm:")[2].split(maxsplit=1)[0], 16)
    return [name for number, name in enumerate(ALL) if bits >> number & 1]
