"""The systemd of a user other than root, as where a host has booted with cgroup v2 alone and the user has logged in.

Only in the user's mount namespace it seems so. The controllers that this host has in its cgroup v1 are not there, so
there are no limits; all else is.
"""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.parts.process import PATIENCE, output, running
from tests.parts.required import ROOT, required
from tests.parts.unprivileged import UID, User

_GROUPS = Path("/sys/fs/cgroup")
#: What systemd makes for a user, and gives to that user's systemd.
GROUP = _GROUPS / f"user.slice/user-{UID}.slice/user@{UID}.service"
_PROGRAM = "/usr/lib/systemd/systemd"
_TARGET = "preg-tests.target"


@contextlib.contextmanager
def logged_in(user: User) -> Iterator[User]:
    """Give the same user with a systemd, beside which commands run in a group that it may move them from."""
    required("systemd-run")
    units = user.home.parent / "units"
    units.mkdir()
    (units / _TARGET).write_text("[Unit]\nDescription=Tests\nDefaultDependencies=no\n")
    enter = [required("nsenter"), *user.place, "--"]
    python = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", __name__]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind("")  # a name of the kernel's choice
        ready.settimeout(PATIENCE)
        words = [*enter, "env", f"NOTIFY_SOCKET=@{ready.getsockname()[1:].decode()}", *python, str(units)]
        with running(words) as manager:
            try:
                while b"READY=1" not in ready.recv(4096).splitlines():
                    pass
                yield replace(user, group=GROUP / "session")
            finally:
                manager.stop()
                output(*enter, *python)


def _become_manager(units: str) -> None:
    output("umount", "--lazy", str(_GROUPS))
    output("mount", "-t", "cgroup2", "cgroup2", str(_GROUPS))
    for place in ("/run/systemd", "/run/user"):
        Path(place).mkdir(exist_ok=True)
        output("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
    Path("/run/systemd/system").mkdir()  # by which programs know that systemd has booted (sd_booted(3))
    Path(f"/run/user/{UID}").mkdir(mode=0o700)
    os.chown(f"/run/user/{UID}", UID, UID)
    (GROUP / "session").mkdir(parents=True)
    for group in (GROUP, GROUP / "session"):
        for path in (group, *(group / name for name in ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control"))):
            os.chown(path, UID, UID)
    (GROUP / "cgroup.procs").write_text("0")
    who = (f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
    settings = (f"XDG_RUNTIME_DIR=/run/user/{UID}", f"SYSTEMD_UNIT_PATH={units}:", f"HOME={units}")
    words = [required("setpriv"), *who, "--", "env", *settings]
    os.execv(words[0], [*words, _PROGRAM, "--user", f"--unit={_TARGET}"])  # noqa: S606


def _remove_groups() -> None:
    """Remove what is left: systemd's own groups, and those above, which another may be using."""
    for folder, _, _ in os.walk(GROUP, topdown=False):
        os.rmdir(folder)
    for folder in (GROUP.parent, GROUP.parent.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    if sys.argv[1:]:
        _become_manager(sys.argv[1])
    else:
        _remove_groups()
