"""A container's ``config.json`` (runtime-spec, config.md), with Docker's defaults. Nothing here touches the host."""

import os

from runtime.devices import Device, rules
from runtime.errors import Fault
from runtime.lean import NamedTuple
from runtime.mounts import SHM_SIZE, Mount, Tmpfs, all_mounts
from runtime.resources import Resources
from runtime.ulimits import Ulimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, Final

    from runtime.image_config import Process
    from runtime.isolation import Isolation
    from runtime.users import User

#: What of the kernel's a container must not read, and what it must not write (moby, oci/defaults.go).
MASKED_PATHS: "Final" = (
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
READONLY_PATHS: "Final" = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
#: Where the program of ``--init`` is in a container, as with Docker.
INIT: "Final" = "/sbin/docker-init"
DEFAULT_PATH: "Final" = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_NETWORK_SYSCTLS: "Final" = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


class Wishes(NamedTuple):
    """What was asked of a container on the command line; None and empty leave it to the image.

    It is kept with the container, and read again by later versions: what is added needs a default.
    """

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    working_dir: str = ""
    terminal: bool = False
    host_network: bool = False
    user: str = ""
    groups: tuple[str, ...] = ()
    hostname: str = ""
    domainname: str = ""
    hosts: tuple[str, ...] = ()
    """Names and addresses, as ``NAME:ADDRESS``."""
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    init: bool = False
    privileged: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    device_rules: tuple[str, ...] = ()
    vendor_devices: tuple[str, ...] = ()
    """By their names in CDI."""
    annotations: dict[str, str] = {}  # noqa: RUF012 - never changed
    read_only: bool = False
    seccomp: str = ""
    """A profile in Docker's format, or what stands for none."""
    apparmor: str = ""
    no_new_privileges: bool = False
    unmasked: bool = False
    """Nothing of the kernel's files is hidden."""
    resources: Resources = Resources()
    ulimits: tuple[Ulimit, ...] = ()
    oom_score_adj: int | None = None
    sysctls: dict[str, str] = {}  # noqa: RUF012 - never changed
    tmpfs: tuple[Tmpfs, ...] = ()
    shm_size: int = SHM_SIZE
    pid: str = ""
    """host, or container:ID for that of another container."""
    host_uts: bool = False
    ipc: str = "private"
    """private, shareable, host, container:ID, or none: without /dev/shm."""
    cgroup_parent: str = ""
    """The control group that its own is made in, without the slash before it."""
    cgroupns: str = ""
    """private, host, or the default: private with cgroup v2."""

    @property
    def shows_kernel(self) -> bool:
        """Whether all of /proc and /sys is there, to be written to."""
        return self.privileged or self.unmasked


def arguments(image: "Process", wishes: Wishes) -> list[str]:
    """Decide what is executed: an entrypoint of the command line drops the image's command, as with Docker.

    Raises Fault if neither names anything.
    """
    entrypoint, command = entrypoint_and_command(image, wishes)
    words = [*entrypoint, *command]
    if not words:
        raise Fault("the image names no command: give one behind its name")
    return words


def entrypoint_and_command(image: "Process", wishes: Wishes) -> "tuple[Sequence[str], Sequence[str]]":
    """Give the two parts of what is executed."""
    if wishes.entrypoint is not None:
        return wishes.entrypoint, wishes.command
    # Docker once wrote one empty word for none.
    entrypoint = () if image.entrypoint == [""] else image.entrypoint or ()
    return entrypoint, wishes.command or image.cmd or ()


def working_directory(image: "Process", wishes: Wishes) -> str:
    """Give the directory that the command begins in, as one without dots, which may lead through links."""
    return os.path.normpath(f"/{(wishes.working_dir or image.working_dir).lstrip('/')}")


def environment(image: "Process", wishes: Wishes, hostname: str, home: str) -> list[str]:
    """List the variables: what is given later wins, and Docker's defaults come first."""
    ours = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if wishes.terminal:
        ours["TERM"] = "xterm"
    all_of_them = ours | variables(image, wishes)
    all_of_them.setdefault("HOME", home)
    return [f"{name}={value}" for name, value in all_of_them.items()]


def variables(image: "Process", wishes: Wishes) -> dict[str, str]:
    """Give the variables that person and image want: of two with one name the person's counts, or the later."""
    wanted = dict(_pairs(wishes.environment))
    return wanted | {name: value for name, value in _pairs(image.env or ()) if name not in wanted}


def _pairs(variables: "Iterable[str]") -> "Iterator[tuple[str, str]]":
    for item in variables:
        name, _, value = item.partition("=")
        if name:
            yield name, value


def build(  # noqa: PLR0913 - what the host adds to what image and person want
    image: "Process",
    wishes: Wishes,
    user: "User",
    *,
    control_group: str,
    hostname: str,
    root: str,
    files: "Sequence[Mount]",
    network_namespace: str,
    isolation: "Isolation",
    joined: "Mapping[str, str]",
) -> "dict[str, Any]":
    """Write the configuration. ``files`` are those of ``/etc`` that the host provides.

    ``network_namespace`` is where the container's is found, unless it shares the host's, and ``joined`` where those are
    that it shares with other containers, by their kinds.
    """
    linux: dict[str, Any] = {
        "namespaces": _namespaces(wishes, network_namespace, joined, cgroup_namespace=isolation.cgroup_namespace),
        "cgroupsPath": control_group,
        "resources": {
            "devices": rules(isolation.nodes, privileged=wishes.privileged, more=wishes.device_rules),
            **wishes.resources.render(swap=isolation.swap),
        },
        "devices": [node.describe() for node in isolation.nodes],
        "sysctl": _sysctls(wishes),
    }
    if not wishes.shows_kernel:
        linux |= {"maskedPaths": [*MASKED_PATHS, *isolation.masked], "readonlyPaths": list(READONLY_PATHS)}
    if isolation.disk_limits:
        linux["resources"].setdefault("blockIO", {}).update(isolation.disk_limits)
    described: dict[str, Any] = {
        "ociVersion": "1.0.2",
        "root": {"path": root, "readonly": wishes.read_only},
        "process": _process(image, wishes, user, hostname, isolation),
        "mounts": all_mounts(wishes, files, isolation.shared),
        "linux": linux,
        "annotations": dict(wishes.annotations),
    }
    if propagation := _propagation(wishes):
        linux["rootfsPropagation"] = propagation
    if not wishes.host_uts:
        described["hostname"] = hostname
    if wishes.domainname:
        linux["sysctl"]["kernel.domainname"] = wishes.domainname
    if isolation.filter is not None:
        linux["seccomp"] = isolation.filter.profile
        described["annotations"].update(isolation.filter.annotations)
    return described


def _propagation(wishes: Wishes) -> str:
    """Say what the root has to be for mounts that pass on others: OCI runtimes make all private otherwise."""
    given = {option.removeprefix("r") for mount in wishes.mounts for option in mount.options}
    return "rshared" if "shared" in given else "rslave" if "slave" in given else ""


def _process(image: "Process", wishes: Wishes, user: "User", hostname: str, isolation: "Isolation") -> "dict[str, Any]":
    capabilities = isolation.capabilities
    process: dict[str, Any] = {
        "terminal": wishes.terminal,
        # The group is listed among the others too: a setgid program would replace it else, and so evade what
        # a file denies to that group (CVE-2022-36109).
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": [user.gid, *user.groups], "umask": 0o022},
        "args": [*([INIT, "--"] if isolation.init else []), *arguments(image, wishes)],
        "env": environment(image, wishes, hostname, user.home),
        "cwd": working_directory(image, wishes),
        # Capabilities are root's; another user may gain them by a setuid program, as with Docker.
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities if user.uid == 0 else [],
            "permitted": capabilities if user.uid == 0 else [],
        },
        "noNewPrivileges": wishes.no_new_privileges,
    }
    if wishes.ulimits:
        process["rlimits"] = [limit.describe() for limit in wishes.ulimits]
    if wishes.oom_score_adj is not None:
        process["oomScoreAdj"] = wishes.oom_score_adj
    if isolation.apparmor:
        process["apparmorProfile"] = isolation.apparmor
    return process


def _namespaces(
    wishes: Wishes, network: str, joined: "Mapping[str, str]", *, cgroup_namespace: bool
) -> list[dict[str, str]]:
    of_host = {
        "pid": wishes.pid == "host",
        "uts": wishes.host_uts,
        "ipc": wishes.ipc == "host",
        "cgroup": not cgroup_namespace,
    }
    own = [kind for kind, with_host in of_host.items() if not with_host and kind not in joined]
    namespaces = [{"type": kind} for kind in ("mount", *own)]
    namespaces += [{"type": kind, "path": path} for kind, path in joined.items()]
    return namespaces if wishes.host_network else [*namespaces, {"type": "network", "path": network}]


def _sysctls(wishes: Wishes) -> dict[str, str]:
    """List settings of the namespaces; those of the network let users other than root ping and serve (moby)."""
    usual = {} if wishes.host_network else _NETWORK_SYSCTLS
    return usual | wishes.sysctls
