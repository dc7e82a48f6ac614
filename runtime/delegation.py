"""Control groups for the containers of a user other than root, from the user's systemd.

That is the one who manages what the system has set aside for the user (user@.service, "Delegate="). From it each
container gets a scope of its own (systemd.scope(5)), whose groups are ours to make: one for the supervisor, which has
to be in the scope, for the kernel lets processes be moved by whoever owns all groups around both places; and one for
the container, beside it, for a group that shares something out has no processes of its own (cgroups(7)).
"""

from __future__ import annotations

import os
import sys

from runtime import cgroup, dbus
from runtime.config import CALLER
from runtime.errors import Fault
from runtime.lean import suppress
from runtime.rootless import user_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: How long systemd may take, in seconds. It takes milliseconds, unless it has to end an earlier scope before.
_PATIENCE: Final = 10.0
_MANAGER: Final = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_IN_USE: Final = "org.freedesktop.systemd1.UnitExists"
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
    """Have the supervisor put into a new scope, and wait until it is there."""
    slice_name, name = cgroup.scope(identifier).split("/")[-2:]
    with dbus.Connection(cgroup.manager_socket(), _PATIENCE) as connection:
        job = _ask(connection, name, slice_name, supervisor)
        while not job:
            # That of the last start, whose processes have ended just now.
            _wait(connection, "UnitRemoved", name)
            job = _ask(connection, name, slice_name, supervisor)
        *_, result = _wait(connection, "JobRemoved", job)
        if result != "done":
            raise Fault(f"{name} was not started ({result}): 'journalctl --user -u {name}' may tell why")


def _ask(connection: dbus.Connection, name: str, slice_name: str, supervisor: int) -> str:
    """Ask for a scope; give the job that makes it, or nothing if one of that name is there. Raises Fault."""
    connection.call(_MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", _describe(name, slice_name, supervisor))
    answer = connection.next()
    while answer.kind not in (dbus.REPLY, dbus.ERROR):
        answer = connection.next()
    if answer.kind == dbus.REPLY:
        return answer.words[0]
    if answer.fields.get(dbus.ERROR_NAME) != _IN_USE:
        raise Fault(" ".join(answer.words) or "it does not say why")
    return ""


def _wait(connection: dbus.Connection, signal: str, about: str) -> list[str]:
    """Wait for a signal about something; give all that it says."""
    while True:
        said = connection.next()
        if said.kind == dbus.SIGNAL and said.fields.get(dbus.MEMBER) == signal and said.words[:1] == [about]:
            return said.words


def _describe(name: str, slice_name: str, process: int) -> bytes:
    """Write what StartTransientUnit is to start (org.freedesktop.systemd1(5))."""
    body = dbus.Writer()
    texts = {"Slice": slice_name, "Description": "A container of preg", "CollectMode": "inactive-or-failed"}

    def begin(name: str, kind: str) -> None:
        body.align(dbus.STRUCTURE)
        body.string(name)
        body.signature(kind)

    def write() -> None:
        for key, text in texts.items():
            begin(key, "s")
            body.string(text)
        begin("Delegate", "b")
        body.number(True)
        begin("PIDs", "au")
        body.array(dbus.NUMBER, lambda: body.number(process))

    body.string(name)
    body.string("fail")
    body.array(dbus.STRUCTURE, write)
    body.array(dbus.STRUCTURE, lambda: None)
    return bytes(body.data)


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
