"""What this host can do for containers, and what it lacks."""

import errno
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from runtime import cgroup
from runtime.config import CALLER
from runtime.delegation import CONTROLLERS, HOW_TO_GET_CONTROLLERS, how_to_get_groups
from runtime.engine import KNOWN, find
from runtime.errors import Fault
from runtime.network.nftables import Firewall
from runtime.rootless import how_to_get_ranges, user_name

if TYPE_CHECKING:
    from runtime.config import Config

_FILE_SYSTEMS: Final = Path("/proc/filesystems")
_MODULES: Final = Path("/lib/modules")
_CGROUPS: Final = Path("/sys/fs/cgroup")


class Lack(NamedTuple):
    """Something this host does without."""

    what: str
    cure: str
    needed: bool
    """No container runs without it."""


class Runtime(NamedTuple):
    """An OCI runtime that is installed."""

    name: str
    program: str
    version: str


def runtimes(here: "Config") -> list[Runtime]:
    """List the OCI runtimes, that which is used by default first."""
    found = []
    for name in KNOWN:
        try:
            program = find(name, here.path, here.state).program
        except Fault:
            continue
        found.append(
            Runtime(name, str(program), _first_line(str(program), "--version").removeprefix(f"{name} version "))
        )
    return found


def operating_system() -> str:
    """Give the name of the distribution."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def memory() -> int:
    """Give the bytes of memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cgroup_version() -> int:
    """Tell which version of control groups limits containers; 0 is none."""
    if cgroup.is_unified():
        return 2
    return 1 if any(_CGROUPS.glob("*/tasks")) else 0


def cgroup_driver() -> str:
    """Tell who makes the control groups of containers, in Docker's words."""
    if not cgroup.is_usable():
        return "none"
    return "cgroupfs" if CALLER == 0 else "systemd"


def has_nftables() -> bool:
    """Tell whether the rules of networks can be set, as far as we may ask."""
    try:
        with closing(Firewall()) as firewall:
            firewall.has("preg")
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def has_seccomp() -> bool:
    """Tell whether the kernel can filter system calls."""
    return Path("/proc/sys/kernel/seccomp/actions_avail").exists()


def has_overlay() -> bool:
    """Tell whether the kernel has overlayfs, or loads it when it is asked for."""
    known = {line.split()[-1] for line in _FILE_SYSTEMS.read_text().splitlines()}
    modules = _MODULES / os.uname().release / "modules.dep"
    return "overlay" in known or (modules.exists() and "/overlay.ko" in modules.read_text())


def file_system_of(place: str) -> str:
    """Give the kind of file system that a directory, which need not exist yet, is on."""
    folder = Path(place)
    while not folder.exists():
        folder = folder.parent
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        left, _, right = line.partition(" - ")
        if left.split()[2] == wanted:
            return right.split()[0]
    return "unknown"


def lacks(here: "Config") -> Iterator[Lack]:
    """Tell what is missing, with what to do about it."""
    if not runtimes(here):
        yield Lack("no OCI runtime is installed, so no container runs", f"apt install {KNOWN[0]}", needed=True)
    if not has_overlay():
        yield Lack(
            "the kernel has no overlay file system, so no container gets a root", "modprobe overlay", needed=True
        )
    if file_system_of(here.home) == "overlay":
        cure = "let PREG_HOME be a directory on another file system"
        yield Lack(
            f"{here.home} is on an overlay file system, which the kernel refuses below another", cure, needed=True
        )
    if not has_seccomp():
        what = "the kernel cannot filter system calls, so containers may make all"
        yield Lack(what, "boot one with CONFIG_SECCOMP_FILTER", needed=False)
    if not has_nftables():
        what = "the kernel has no nftables, so containers have no network but this host's or none"
        yield Lack(what, "modprobe nf_tables", needed=False)
    if cgroup_version() == 0:
        cure = "mount -t cgroup2 none /sys/fs/cgroup"
        yield Lack("no control groups are mounted, so nothing limits containers", cure, needed=False)
    if CALLER != 0:
        yield from _without_root()


def _without_root() -> Iterator[Lack]:
    """Tell what a user other than root lacks."""
    if shutil.which("newuidmap") is None:
        yield Lack("newuidmap is not installed, so no container runs without root", "apt install uidmap", needed=True)
    if cure := how_to_get_ranges(CALLER):
        yield Lack("you have no IDs in /etc/subuid and /etc/subgid, so containers have one user", cure, needed=False)
    if not cgroup.is_usable():
        what = "you have no control groups, so nothing limits your containers, and they cannot be paused"
        yield Lack(what, how_to_get_groups(), needed=False)
    elif not Path("/var/lib/systemd/linger", user_name(CALLER)).exists():
        yield Lack("your containers end when you log out", f"loginctl enable-linger {user_name(CALLER)}", needed=False)
    if cgroup.is_usable() and (missing := cgroup.missing(set(CONTROLLERS))):
        what = f"your systemd has no control groups with {', '.join(sorted(missing))}, so some limits cannot be kept"
        yield Lack(what, HOW_TO_GET_CONTROLLERS, needed=False)
    if shutil.which("slirp4netns") is None:
        yield Lack(
            "slirp4netns is not installed, so containers without root have no network of their own",
            "apt install slirp4netns",
            needed=False,
        )


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return "unknown"
    return (done.stdout.splitlines() or ["unknown"])[0]
