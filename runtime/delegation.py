"""Control groups for the containers of a user other than root, from the user's systemd.

That is the one who manages what the system has set aside for the user (user@.service, "Delegate="). From it each
container gets a scope of its own (systemd.scope(5)), whose groups are ours to make: one for the supervisor, which has
to be in the scope, for the kernel lets processes be moved by whoever owns all groups around both places; and one for
the container, beside it, for a group that shares something out has no processes of its own (cgroups(7)).
"""

from __future__ import annotations

import os
import sys

from runtime import cgroup
from runtime.config import CALLER
from runtime.errors import Fault
from runtime.lean import suppress
from runtime.rootless import user_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: What a user gets depends on the version of systemd.
CONTROLLERS: Final = ("cpu", "cpuset", "io", "memory", "pids")
HOW_TO_GET_CONTROLLERS: Final = (
    f"have root write 'Delegate={' '.join(CONTROLLERS)}' below '[Service]' with 'systemctl edit user@.service', and log"
    " in again"
)


def how_to_get_groups() -> str:
    """Tell what to do on a host where there are none for this user."""
    start = f"loginctl enable-linger {user_name(CALLER)}"
    return f"on a host with cgroup v2 alone your systemd has them, and '{start}' starts it"


def obtain(identifier: str, supervisor: int) -> None:
    """Get control groups for a container and the process that supervises it; go on without where there are none."""
    if not cgroup.is_usable():
        return
    try:
        _start_scope(identifier, supervisor)
        _share_out(cgroup.directory(cgroup.scope(identifier)), supervisor)
    except (Fault, OSError) as error:
        cgroup.do_without()
        sys.stderr.write(f"preg: warning: your systemd gives the container no control groups: {error}\n")


def _start_scope(identifier: str, supervisor: int) -> None:
    from runtime.user_systemd import UserSystemd  # noqa: PLC0415 - many users have none

    *_, slice_name, name = cgroup.scope(identifier).split("/")
    with UserSystemd(cgroup.manager_socket()) as systemd:
        systemd.start_scope(name, slice_name, supervisor)


def _share_out(scope: str, supervisor: int) -> None:
    """Put the supervisor beside where the container will be, and let there be limits."""
    os.mkdir(f"{scope}/supervisor")
    _write(f"{scope}/supervisor/cgroup.procs", str(supervisor))
    with open(f"{scope}/cgroup.controllers", encoding="ascii") as file:
        controllers = file.read().split()
    for controller in controllers:
        with suppress(OSError):  # one that cannot be shared out here is missed when a limit needs it
            _write(f"{scope}/cgroup.subtree_control", f"+{controller}")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
