"""A user other than root, in a mount namespace in which this host knows of it.

Nothing of the host is changed: there alone are /etc/passwd, /etc/subuid and so on others, devices open to everybody as
udev has them, and Python and this repository readable where they are in somebody's home.
"""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.parts.process import output, running
from tests.parts.required import ROOT, require_root, required

UID = 64123
#: The host's ID of what is 1 inside; there are as many as containers commonly have.
FIRST = 2_000_000
COUNT = 65536

_NAME = "preg-tester"
_DEVICES = {"net/tun": (10, 200), "fuse": (10, 229)}
# In a user namespace with the IDs of the host, in which there can be no other.
_FORBID = (
    *("/usr/bin/unshare", "--user", f"--map-users=0,0,{UID + 1}", f"--map-groups=0,0,{UID + 1}", "--", "/bin/sh", "-c"),
    *('echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"),
)
#: What stands before a control group and a command that is run in it.
JOIN = ("/bin/sh", "-c", 'echo 0 > "$0/cgroup.procs" && exec "$@"')


@dataclass(frozen=True)
class User:
    """The user."""

    home: Path
    """A directory that is the user's own."""
    place: tuple[str, ...]
    """The words that lead to the namespaces."""
    kept_from_namespaces: bool = False
    group: Path | None = None
    """The control group that commands are run in."""

    @property
    def words(self) -> list[str]:
        """What stands before a command that is run as this user."""
        who = (f"--reuid={UID}", f"--regid={UID}", "--clear-groups")
        forbid = _FORBID if self.kept_from_namespaces else ()
        join = (*JOIN, str(self.group)) if self.group else ()
        return [*join, required("nsenter"), *self.place, "--", *forbid, required("setpriv"), *who, "--"]


@contextlib.contextmanager
def unprivileged(*, ranges: bool = True) -> Iterator[User]:
    """Make the user, with ranges of further IDs or without."""
    require_root()
    required("newuidmap")
    with tempfile.TemporaryDirectory(prefix="preg-user-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "home").mkdir()
        os.chown(folder / "home", UID, UID)
        _write_files(folder, ranges=ranges)
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", __name__, name]
        with running(command, {**os.environ, "PYTHONPATH": str(ROOT)}) as holder:
            holder.stdout.wait_for(lambda line: line == "ready")
            there = (f"--mount=/proc/{holder.pid}/ns/mnt", f"--wd={folder / 'home'}")
            yield User(folder / "home", there)
        # Files of the other IDs are the user's, too.
        shutil.rmtree(folder / "home")


def _write_files(folder: Path, *, ranges: bool) -> None:
    lines = {
        "passwd": f"{_NAME}:x:{UID}:{UID}::{folder / 'home'}:/bin/sh",
        "group": f"{_NAME}:x:{UID}:",
        **dict.fromkeys(("subuid", "subgid"), f"{_NAME}:{FIRST}:{COUNT}\nroot:0:{UID + 1}" if ranges else ""),
    }
    for name, line in lines.items():
        there = Path("/etc", name)
        (folder / name).write_text(f"{there.read_text() if there.exists() else ''}{line}\n")


def _make_namespace(folder: Path) -> None:
    for name in ("passwd", "group", "subuid", "subgid"):
        if Path("/etc", name).exists():
            output("mount", "--bind", str(folder / name), f"/etc/{name}")
    for name, (major, minor) in _DEVICES.items():
        if Path("/dev", name).exists():
            device = folder / Path(name).name
            os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(major, minor))
            device.chmod(0o666)
            output("mount", "--bind", str(device), f"/dev/{name}")
    _open_up({ROOT, Path(sys.prefix), Path(sys.base_prefix)})


def _open_up(places: set[Path]) -> None:
    """Let everybody reach these places, but nothing beside them that is closed."""
    hidden = {place: closed for place in places if (closed := _closed(place)) is not None}
    opened = {place: os.open(place, os.O_PATH) for place in hidden}
    for closed in set(hidden.values()):
        output("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(closed))
    for place, file in opened.items():
        place.mkdir(parents=True, exist_ok=True)
        words = ["mount", "--no-canonicalize", "--rbind", f"/proc/self/fd/{file}", str(place)]
        subprocess.run(words, check=True, pass_fds=[file])


def _closed(place: Path) -> Path | None:
    """The highest directory above a place that others may not enter."""
    for folder in reversed(place.parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None


if __name__ == "__main__":
    _make_namespace(Path(sys.argv[1]))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.pause()  # the namespace is there as long as this process
