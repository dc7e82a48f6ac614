"""How far a container is to be kept apart from this host."""

from __future__ import annotations

import os

from runtime.capabilities import read_capability
from runtime.cli.quantities import read_number, read_size
from runtime.config import CALLER
from runtime.devices import Device
from runtime.errors import Fault, UsageError
from runtime.mounts import SHM_SIZE, Tmpfs, tmpfs_options
from runtime.seccomp import UNCONFINED, check_profile
from runtime.ulimits import read_ulimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.bundle import Wishes
    from runtime.cli.options import Options
    from runtime.ulimits import Ulimit

_IPC: Final = ("private", "none", "host", "shareable")
#: How the namespace of another container is asked for.
_OTHER: Final = "container:NAME"
_ACCESS: Final = frozenset("rwm")
#: What of the kernel's settings belongs to a namespace; by Docker's list.
_IPC_SYSCTLS: Final = (
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem"),
    *("kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"),
)


def ask_isolation(options: Options, wishes: Wishes) -> Wishes:
    """Add to the wishes what the options say. Raises UsageError."""
    shm_size, score = options.last("--shm-size"), options.last("--oom-score-adj")
    if options.all("--storage-opt"):
        raise UsageError("--storage-opt: a container's root is on the home's file system and has no size of its own")
    asked = wishes._replace(
        device_rules=tuple(read_device_rule(text) for text in options.all("--device-cgroup-rule")),
        annotations=dict(read_annotation(text) for text in options.all("--annotation")),
        privileged="--privileged" in options,
        cap_add=tuple(read_capability("--cap-add", text) for text in options.all("--cap-add")),
        cap_drop=tuple(read_capability("--cap-drop", text) for text in options.all("--cap-drop")),
        devices=tuple(read_device(text) for text in options.all("--device") if not is_of_vendor(text)),
        vendor_devices=_read_vendor_devices(options),
        read_only="--read-only" in options,
        tmpfs=tuple({tmpfs.target: tmpfs for tmpfs in map(read_tmpfs, options.all("--tmpfs"))}.values()),
        shm_size=(read_size("--shm-size", shm_size) if shm_size else 0) or SHM_SIZE,
        ulimits=_read_ulimits(options),
        oom_score_adj=None if score is None else read_number("--oom-score-adj", score, -1000, 1000),
        sysctls=dict(read_sysctl(text) for text in options.all("--sysctl")),
        pid=_find_owner(options, "--pid") or _one_of(options, "--pid", ("", "host"), _OTHER),
        host_uts=_one_of(options, "--uts", ("", "host")) == "host",
        ipc=_find_owner(options, "--ipc") or _one_of(options, "--ipc", _IPC, _OTHER),
        cgroup_parent=_read_parent(options.last("--cgroup-parent") or ""),
        cgroupns=_one_of(options, "--cgroupns", ("", "private", "host")),
    )
    _one_of(options, "--userns", ("", "host"))
    for text in options.all("--security-opt"):
        asked = _ask_security(asked, text)
    _check_sysctls(asked)
    return asked


def _read_parent(text: str) -> str:
    """Read the path of a control group, which begins at the top of them. Raises UsageError."""
    parts = [part for part in text.split("/") if part]
    if {".", ".."} & {*parts} or not text.isprintable() or (text and not parts):
        raise UsageError(f"--cgroup-parent {text!r}: it is the path of a control group, such as /jobs/nightly")
    return "/".join(parts)


def is_of_vendor(text: str) -> bool:
    """Tell whether a device is named as ``VENDOR/CLASS=NAME``, as CDI has it."""
    kind, equals, name = text.partition("=")
    return bool(equals and name) and kind.count("/") == 1 and not text.startswith("/")


def _read_vendor_devices(options: Options) -> tuple[str, ...]:
    found = [text for text in options.all("--device") if is_of_vendor(text)]
    if options.all("--gpus"):
        from runtime.cli.gpus import read_gpus  # noqa: PLC0415 - few containers have any

        for text in options.all("--gpus"):
            found += read_gpus(text)
    return tuple(dict.fromkeys(found))


def read_device(text: str) -> Device:
    """Read ``HOST[:CONTAINER][:ACCESS]``. Raises UsageError."""
    source, *rest = text.split(":")
    access = rest.pop() if rest and _is_access(rest[-1]) else "rwm"
    target = rest.pop() if rest else source
    if rest or not source.startswith("/") or not target.startswith("/"):
        raise UsageError(f"--device {text!r}: a device is HOST[:CONTAINER][:ACCESS], with two absolute paths")
    return Device(source, os.path.normpath(target), access)


def read_device_rule(text: str) -> str:
    """Read ``TYPE MAJOR:MINOR ACCESS``. Raises UsageError."""
    kind, _, rest = text.partition(" ")
    numbers, _, access = rest.partition(" ")
    major, colon, minor = numbers.partition(":")
    if kind not in ("a", "b", "c") or not colon or not all(map(_is_number, (major, minor))) or not _is_access(access):
        raise UsageError(f"--device-cgroup-rule {text!r}: it is 'TYPE MAJOR:MINOR ACCESS', e.g. 'c 42:* rmw'")
    return text


def _is_number(text: str) -> bool:
    return text == "*" or (text.isascii() and text.isdigit() and int(text[:20]) < 2**32)


def read_annotation(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE``. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--annotation {text!r}: it is NAME=VALUE")
    return name, value


def read_tmpfs(text: str) -> Tmpfs:
    """Read ``DIR[:OPTIONS]``. Raises UsageError."""
    target, _, words = text.partition(":")
    absolute = target.startswith("/")
    # Not os.path.normpath alone, which leaves two slashes at the start.
    target = os.path.normpath(f"/{target.lstrip('/')}")
    if not absolute or target == "/" or "\0" in text:
        raise UsageError(f"--tmpfs {text!r}: the directory must be an absolute path, and not /")
    options = tmpfs_options(f"--tmpfs {text!r}", [word for word in words.split(",") if word])
    return Tmpfs(target, options, words)


def read_sysctl(text: str) -> tuple[str, str]:
    """Read ``NAME=VALUE`` of what belongs to a namespace. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not (name in _IPC_SYSCTLS or name.startswith(("net.", "fs.mqueue."))) or "/" in name:
        raise UsageError(
            f"--sysctl {text!r}: it is NAME=VALUE, of net.*, fs.mqueue.* or {', '.join(_IPC_SYSCTLS)}; "
            "what else the kernel can be told is of the whole host"
        )
    return name, value


def _read_ulimits(options: Options) -> tuple[Ulimit, ...]:
    limits = {limit.name: limit for limit in map(read_ulimit, options.all("--ulimit"))}
    return tuple(limits[name] for name in sorted(limits))


def _is_access(text: str) -> bool:
    return bool(text) and set(text) <= _ACCESS and len(set(text)) == len(text)


def _one_of(options: Options, name: str, choices: tuple[str, ...], more: str = "") -> str:
    """Give what was chosen; the first choice is the default. ``more`` is what may be chosen beside them."""
    chosen = options.last(name) or choices[0]
    if chosen not in choices:
        raise UsageError(f"{name} {chosen}: it is {' or '.join(choice for choice in (*choices, more) if choice)}")
    return chosen


def _find_owner(options: Options, name: str) -> str:
    """Return container:ID for the container whose namespace is asked for. Raises Fault, and UsageError."""
    given = options.last(name) or ""
    other = given.removeprefix("container:")
    if other == given:
        return ""
    if not other:
        raise UsageError(f"{name} container: names no container: it is container:NAME")
    if CALLER != 0:
        raise Fault(f"{name} {given} needs root, for each container of another user has namespaces of its own")
    from runtime.cli.targets import here  # noqa: PLC0415 - for those who name a container

    return f"container:{here().find(other).id}"


def _ask_security(wishes: Wishes, text: str) -> Wishes:
    """Add what a ``--security-opt`` says; Docker once had a colon for the equals sign."""
    name, equals, value = text.partition("=")
    if not equals:
        name, _, value = text.partition(":")
    if name == "no-new-privileges" and value in ("", "true", "false"):
        return wishes._replace(no_new_privileges=value != "false")
    if name == "seccomp" and value:
        return wishes._replace(seccomp=_read_profile(value))
    if name == "systempaths" and value == UNCONFINED:
        return wishes._replace(unmasked=True)
    if name == "apparmor" and value:
        return wishes._replace(apparmor=value)
    if name == "label" and value:
        return wishes  # of SELinux, whose labels preg does not set
    raise UsageError(
        f"--security-opt {text!r}: it is no-new-privileges, seccomp=unconfined|FILE, "
        "systempaths=unconfined, apparmor=PROFILE or label=OPTION"
    )


def _read_profile(value: str) -> str:
    """Give the profile that a file holds, in Docker's format."""
    if value == UNCONFINED:
        return value
    if value == "builtin":
        return ""
    with open(value, encoding="utf-8") as file:
        try:
            return check_profile(file.read(), value)
        except UnicodeDecodeError as error:
            raise UsageError(f"the seccomp profile {value} is no text") from error


def _check_sysctls(wishes: Wishes) -> None:
    for name in wishes.sysctls:
        if wishes.host_network if name.startswith("net.") else wishes.ipc.startswith(("host", "container:")):
            raise UsageError(f"--sysctl {name}: it would be set for all who share the namespace with the container")
