"""Containers of users other than root: a user namespace in which this process is root over all IDs that are the user's.

Those are the user's own ID, which is root's inside, and the ranges that /etc/subuid and /etc/subgid give to the user
(subuid(5)), which are 1 and up. So files keep their owners in images, volumes and containers from one command to the
next, and what belongs to others on this host belongs to nobody inside.

What is different inside comes from the kernel, and ``Privileges`` tells of it; it is the same for who is root in
another's user namespace, as in a container.
"""

from __future__ import annotations

import errno
import os
import sys

from runtime import cgroup
from runtime.config import CALLER
from runtime.errors import Fault
from runtime.lean import NamedTuple, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final

_ALL_IDS: Final = 2**32 - 1
#: That of terminals, on every distribution.
_TTY_GROUP: Final = 5
_SETTINGS: Final = (
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with userns for preg's Python",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
)


class Privileges(NamedTuple):
    """What this process can do on this host."""

    uids: int
    gids: int
    """How many IDs of users and groups it is root over, from 0 on; none if it is not root."""

    @property
    def of_host(self) -> bool:
        """Whether it is root of the host itself: it can make devices, mount images and limit resources."""
        return self.uids == _ALL_IDS

    @property
    def owners(self) -> bool:
        """Whether there is more than one user whom files can belong to."""
        return self.uids > 1 and self.gids > 1

    @property
    def opaque(self) -> str:
        """The extended attribute by which overlayfs knows a directory that hides those below it."""
        return "trusted.overlay.opaque" if self.of_host else "user.overlay.opaque"


_privileges: Final[dict[int, Privileges]] = {}


def privileges() -> Privileges:
    """Tell what this process can do."""
    # Whoever becomes root of a user namespace has been somebody else before.
    uid = os.geteuid()
    if uid not in _privileges:
        _privileges[uid] = Privileges(_count("uid"), _count("gid")) if uid == 0 else Privileges(0, 0)
    return _privileges[uid]


def adapt(bundle: dict[str, Any], granted: Privileges) -> None:
    """Take from a container's configuration what only the host's root could give it."""
    if granted.of_host:
        return
    _check_ids(bundle["process"]["user"], granted)
    linux, mounts = bundle["linux"], {mount["destination"]: mount for mount in bundle["mounts"]}
    namespaces = {namespace["type"] for namespace in linux["namespaces"]}
    _adapt_limits(linux, granted)
    if "cgroup" not in namespaces:
        mounts.pop("/sys/fs/cgroup", None)  # it would show those of the host
    # File systems that tell of a namespace are for its owner to mount.
    for target, kind in (("/sys", "network"), ("/proc", "pid")):
        if kind not in namespaces and target in mounts:
            options = ["rbind", *mounts[target]["options"]]
            mounts[target] |= {"type": "bind", "source": target, "options": options}
    if "ipc" not in namespaces and mounts.get("/dev/mqueue", {}).get("type") == "mqueue":
        del mounts["/dev/mqueue"]
    if "network" not in namespaces:
        mounts.pop("/sys/fs/cgroup", None)
        # There may be groups among the host's that are the user's to change.
        linux["maskedPaths"] = [*linux.get("maskedPaths", ()), "/sys/fs/cgroup"]
    if "/dev/pts" in mounts and granted.gids <= _TTY_GROUP:
        terminals = mounts["/dev/pts"]
        terminals["options"] = [option for option in terminals["options"] if not option.startswith("gid=")]
    bundle["mounts"] = list(mounts.values())


def _check_ids(user: dict[str, Any], granted: Privileges) -> None:
    if not granted.owners:
        # Who has one group only is not asked which others to have (user_namespaces(7)).
        user.pop("additionalGids", None)
    if user["uid"] >= granted.uids or max(user["gid"], *user.get("additionalGids", (0,))) >= granted.gids:
        raise Fault(
            f"the container is to run as {user['uid']}:{user['gid']}, and the ranges of /etc/subuid and /etc/subgid end"
            f" at {granted.uids}:{granted.gids}: lengthen them, or choose with --user"
        )


def _adapt_limits(linux: dict[str, Any], granted: Privileges) -> None:
    if CALLER != 0 and cgroup.is_usable():
        # Whose rules take a privilege of the host's root, who alone makes devices.
        del linux["resources"]["devices"]
    else:
        # Without a path engines go on without control groups, with one they insist.
        del linux["cgroupsPath"], linux["resources"]
    if "net.ipv4.ping_group_range" in linux.get("sysctl", {}):
        linux["sysctl"]["net.ipv4.ping_group_range"] = f"0 {granted.gids - 1}"


def enter(pid: int = 0) -> None:
    """Become root in a user namespace, with mounts of our own; nothing happens if we are root already.

    It is a new one, or that of a process: only in there is its own within reach, as the root of a container that runs.
    What is started from here on is inside, too. Raises Fault if this host does not allow it.
    """
    if os.geteuid() == 0 or (pid and join(pid)):
        return
    uid, gid = os.geteuid(), os.getegid()
    users, groups = list(_ranges("/etc/subuid", uid)), list(_ranges("/etc/subgid", uid))
    if users and groups:
        _enter_with_ranges(_map(uid, users), _map(gid, groups))
    else:
        _unshare()
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
        sys.stderr.write(
            "preg: warning: you have no range of IDs in /etc/subuid and /etc/subgid, so all files of images and all"
            f" processes are one user's: {how_to_get_ranges(uid)}\n"
        )


def how_to_get_ranges(uid: int) -> str:
    """Give the command that gives a user IDs for the users of containers; empty if there are some."""
    if any(_ranges("/etc/subuid", uid)) and any(_ranges("/etc/subgid", uid)):
        return ""
    return f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user_name(uid)}"


def inside(pid: int, work: Callable[[], None]) -> None:
    """Do work on what a container has left, as root over its files and over the processes that may still run.

    ``pid`` is one of those; it may be gone. Who is root already does it here and now, others have a child do it, and
    stay outside: who is inside one namespace cannot enter another. Raises Fault if it cannot be done.
    """
    if os.geteuid() == 0:
        if CALLER != 0 and _is_elsewhere(pid):
            raise Fault("a container has lost its supervisor just now, and the next command puts it away: try again")
        work()
        return
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter(pid)
            work()
            status = 0
        except (Fault, OSError) as fault:
            sys.stderr.write(f"preg: {fault}\n")
            sys.stderr.flush()
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        raise Fault("what a container has left could not be put away")


def _is_elsewhere(pid: int) -> bool:
    """Tell whether a process is there, and in another user namespace than ours."""
    try:
        return not os.path.samestat(os.stat(f"/proc/{pid}/ns/user"), os.stat("/proc/self/ns/user"))
    except FileNotFoundError:
        return False
    except PermissionError:
        return True


def join(pid: int) -> bool:
    """Become root in the user namespace of a process, with mounts of our own; False if it is gone, or not ours."""
    from runtime.kernel import join_user, unshare_mounts  # noqa: PLC0415 - loads a C library, which root needs not

    try:
        with open(f"/proc/{pid}/ns/user", "rb") as namespace:
            join_user(namespace.fileno())
        unshare_mounts()
    except OSError:
        return False
    return True


def _enter_with_ranges(uid_map: list[str], gid_map: list[str]) -> None:
    """Have the programs of the package uidmap, which are root's, map the IDs: they look into the files, too."""
    ready, go = os.pipe()
    failed, complaint = os.pipe()
    pid = str(os.getpid())
    helper = os.fork()
    if helper == 0:
        try:
            os.close(go)
            # Nothing to read: we have failed.
            if os.read(ready, 1):
                _spawn_both(complaint, ["newuidmap", pid, *uid_map], ["newgidmap", pid, *gid_map])
        finally:
            os._exit(0)
    os.close(ready)
    os.close(complaint)
    try:
        _unshare()
        os.write(go, b"1")
    finally:
        os.close(go)
        os.waitpid(helper, 0)
        said = os.read(failed, 4096).decode(errors="replace").strip()
        os.close(failed)
    if said or os.getuid() != 0 or os.getgid() != 0:
        raise Fault(f"the IDs of /etc/subuid and /etc/subgid cannot be used: {said or 'newuidmap does not say why'}")


def _spawn_both(complaint: int, *commands: list[str]) -> None:
    actions = [(os.POSIX_SPAWN_DUP2, complaint, 2)]
    children = []
    for command in commands:
        try:
            children.append(os.posix_spawnp(command[0], command, os.environ, file_actions=actions))
        except OSError:
            os.write(complaint, f"{command[0]} is not installed: apt install uidmap\n".encode())
            break
    for child in children:
        os.waitpid(child, 0)


def _unshare() -> None:
    from runtime.kernel import unshare_user  # noqa: PLC0415

    try:
        unshare_user()
    except OSError as error:
        for path, value, cure in _SETTINGS:
            if _read(path) == value:
                raise Fault(
                    f"this host keeps user namespaces, which containers without root need, from you: {cure}"
                ) from error
        if error.errno == errno.EINVAL:
            raise Fault("this kernel has no user namespaces, so containers need root") from error
        raise Fault(
            f"this host, or the container that preg is in, keeps user namespaces from you ({error.strerror}), so"
            " containers need root"
        ) from error


def _map(own: int, ranges: list[tuple[int, int]]) -> list[str]:
    """Lay out IDs: the own one is root's, the others follow."""
    words, following = ["0", str(own), "1"], 1
    for first, count in ranges:
        words += [str(following), str(first), str(count)]
        following += count
    return words


def _ranges(path: str, uid: int) -> Iterator[tuple[int, int]]:
    """List the ranges of a user, each with its first ID and its length."""
    owners = (user_name(uid), str(uid))
    for line in _read(path).splitlines():
        owner, _, numbers = line.partition(":")
        first, _, count = numbers.partition(":")
        if owner in owners and first.isdecimal() and count.isdecimal() and int(count):
            yield int(first), int(count)


def user_name(uid: int) -> str:
    """Give the name of a user of this host, or the ID if there is none."""
    import pwd  # noqa: PLC0415 - not for root

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _count(kind: str) -> int:
    return sum(int(line.split()[2]) for line in _read(f"/proc/self/{kind}_map").splitlines())


def _read(path: str) -> str:
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
