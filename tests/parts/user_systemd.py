"""The systemd of a user other than root, as where a host has booted with cgroup v2 alone and the user has logged in.

Only in the user's mount namespace it seems so. The controllers that this host has in its cgroup v1 are not there, so
there are no limits; all else is.
"""

import contextlib
import os
import select
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.parts.process import PATIENCE, output, running
from tests.parts.required import ROOT, required
from tests.parts.unprivileged import JOIN, UID, User

#: What systemd makes for a user, and gives to that user's systemd, below the root of all groups.
GROUP = f"/user.slice/user-{UID}.slice/user@{UID}.service"
_PROGRAM = "/usr/lib/systemd/systemd"
_TARGET = "preg-tests.target"


@contextlib.contextmanager
def logged_in(user: User) -> Iterator[User]:
    """Give the same user with a systemd, beside which commands run in a group that it may move them from."""
    required("systemd-run")
    units = user.home.parent / "units"
    units.mkdir()
    (units / _TARGET).write_text("[Unit]\nDescription=Tests\nDefaultDependencies=no\n")
    with _groups() as root, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind("")  # a name of the kernel's choice
        enter = [*JOIN, str(root), required("nsenter"), *user.place, "--", "unshare", "--cgroup"]
        environ = (f"NOTIFY_SOCKET=@{ready.getsockname()[1:].decode()}", f"PYTHONPATH={ROOT}")
        with running([*enter, "env", *environ, sys.executable, "-m", __name__, str(units)]) as manager:
            try:
                _wait_until_ready(ready, manager.pid)
                place = (*user.place, f"--cgroup=/proc/{manager.pid}/ns/cgroup")
                yield replace(user, place=place, group=root / GROUP[1:] / "session")
            finally:
                manager.stop()


def _wait_until_ready(notices: socket.socket, pid: int) -> None:
    """Wait until a process says so (sd_notify(3)). Raises AssertionError if it ends before that."""
    process = os.pidfd_open(pid)
    try:
        while True:
            said, _, _ = select.select([notices, process], [], [], PATIENCE)
            assert said == [notices], "the user's systemd has not started"
            if b"READY=1" in notices.recv(4096).splitlines():
                return
    finally:
        os.close(process)


@contextlib.contextmanager
def _groups() -> Iterator[Path]:
    """Make the user's group, and one beside systemd's own, below a group that will seem to be the root of all."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    unified = next(words[1] for words in mounts if words[2] == "cgroup2")
    root = Path(tempfile.mkdtemp(prefix="preg-tests-", dir=unified))
    root.chmod(0o755)
    try:
        for group in (root / GROUP[1:], root / GROUP[1:] / "session"):
            group.mkdir(parents=True)
            for name in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
                os.chown(group / name, UID, UID)
        yield root
    finally:
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):  # somebody who was killed has not ended yet
                os.rmdir(folder)


def _become_manager(units: str) -> None:
    output("umount", "--lazy", "/sys/fs/cgroup")
    output("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    for place in ("/run/systemd", "/run/user"):
        Path(place).mkdir(exist_ok=True)
        output("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
    Path("/run/systemd/system").mkdir()  # by which programs know that systemd has booted (sd_booted(3))
    Path(f"/run/user/{UID}").mkdir(mode=0o700)
    os.chown(f"/run/user/{UID}", UID, UID)
    Path(f"/sys/fs/cgroup{GROUP}/cgroup.procs").write_text("0")
    who = (f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
    settings = (f"XDG_RUNTIME_DIR=/run/user/{UID}", f"SYSTEMD_UNIT_PATH={units}:", f"HOME={units}")
    words = [required("setpriv"), *who, "--", "env", *settings]
    os.execv(words[0], [*words, _PROGRAM, "--user", f"--unit={_TARGET}"])  # noqa: S606


if __name__ == "__main__":
    _become_manager(sys.argv[1])
