"""The OCI runtime that makes a container of a bundle: crun or runc, found on PATH."""

from __future__ import annotations

import os

from runtime import cgroup
from runtime.errors import Fault
from runtime.kernel import MS_BIND, mount, unshare_mounts
from runtime.lean import NamedTuple, from_json, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

#: What an OCI runtime is given of our environment: what it needs to find its own helpers.
ENVIRON: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
KNOWN: Final = ("crun", "runc")
_SECOND_CONTROLLERS: Final = "/sys/fs/cgroup/unified/cgroup.controllers"


class Engine(NamedTuple):
    """An OCI runtime; ``state`` is where it keeps what it knows of running containers."""

    program: str
    state: str

    @property
    def name(self) -> str:
        """How it is called."""
        return os.path.basename(self.program)

    def run(self, bundle: str, log: str) -> list[str]:
        """Give the command that starts a container, whose ID and whose streams' options follow."""
        return [*self.command(), "--log", log, "run", "--detach", "--bundle", bundle]

    def delete(self) -> list[str]:
        """Give the command that ends a container whatever its state; its ID follows."""
        return [*self.command(), "delete", "--force"]

    def update(self, identifier: str, limits: str) -> None:
        """Set the limits of a container that runs to those of a file (``linux.resources``). Raises Fault."""
        failed = _run([*self.command(), "update", "--resources", limits, identifier], self)
        if failed is not None:
            raise Fault(f"the limits cannot be set: {read_failure(failed, self.name)}")

    def remains(self, identifier: str) -> str:
        """Give the directory in which the engine keeps what it knows of a container."""
        return f"{self.state}/{self.name}/{identifier}"

    def command(self) -> list[str]:
        """Give what each of its commands begins with."""
        without = ["--cgroup-manager", "disabled"] if self.name == "crun" and not cgroup.is_usable() else []
        # crun would write JSON into the container's output, too, if its command cannot be executed in the end.
        form = ["--log-format", "json"] if self.name != "crun" else []
        return [self.program, *without, *form, "--root", f"{self.state}/{self.name}"]

    def prepare(self) -> None:
        """Make this host acceptable, in a mount namespace of our own.

        crun refuses a host with both cgroup hierarchies if the second has controllers, although it uses those of the
        first only (crun, src/libcrun/cgroup.c). So it is shown a second one without.
        """
        if self.name == "crun" and not cgroup.is_usable():
            # It looks for them first, and then does without.
            mount("tmpfs", "/sys/fs/cgroup", "tmpfs")
        elif self.name == "crun":
            with suppress(OSError), open(_SECOND_CONTROLLERS, encoding="utf-8") as controllers:
                if controllers.read().strip():
                    mount(os.devnull, _SECOND_CONTROLLERS, "", MS_BIND)


def find(wanted: str | None, path: str, state: str) -> Engine:
    """Find an OCI runtime: the one that is wanted, by name or path, or the first that is there.

    Raises Fault if there is none, and says what to install.
    """
    if wanted is not None and "/" in wanted:
        if os.access(wanted, os.X_OK):
            return Engine(os.path.realpath(wanted), state)
        raise Fault(f"the OCI runtime {wanted} cannot be executed")
    names = KNOWN if wanted is None else (wanted,)
    # root's PATH often lacks where Debian puts runc.
    folders = [*path.split(os.pathsep), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    for name in names:
        for folder in folders:
            if folder and os.access(f"{folder}/{name}", os.X_OK):
                return Engine(f"{folder}/{name}", state)
    if wanted is not None and wanted not in KNOWN:
        raise Fault(f"there is no OCI runtime {wanted!r} on PATH; preg knows {' and '.join(KNOWN)}")
    raise Fault(f"no OCI runtime ({' or '.join(names)}) is installed: apt install {names[0]}")


def read_failure(log: bytes, name: str) -> Fault:
    """Tell from the engine's log why it could not start the container: lines of JSON, or text behind a time."""
    from runtime.engine_words import explain  # noqa: PLC0415 - for what fails

    texts = []
    for line in log.splitlines():
        try:
            said = from_json(line)
            level, message = said["level"], said["msg"]
        except (ValueError, KeyError, TypeError):
            texts.append(line.decode(errors="replace"))
            continue
        if level in ("error", "fatal"):
            return explain(str(message), name)
    if texts:
        return explain(texts[-1], name)
    return Fault(f"{name} could not start the container, and does not say why: it may have been killed")


def end(engine: Engine, identifier: str) -> None:
    """End a container whose supervisor has ended, whatever its state, even half made.

    The engine's own complaints are of no use: the container may be gone meanwhile.
    """
    _run([*engine.delete(), identifier], engine)


def _run(words: list[str], engine: Engine) -> bytes | None:
    """Run a command of an engine; give what it says if it fails."""
    reads, writes = os.pipe()
    null = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(2)]
    # In mounts of its own, for this process may be one that goes on.
    child = os.fork()
    if child == 0:
        status = 1
        try:
            unshare_mounts()
            engine.prepare()
            actions = [*null, (os.POSIX_SPAWN_DUP2, writes, 2)]
            status = os.waitpid(os.posix_spawn(words[0], words, ENVIRON, file_actions=actions), 0)[1]
        finally:
            os._exit(1 if status else 0)
    os.close(writes)
    with open(reads, "rb") as said:
        text = said.read()
    return text if os.waitpid(child, 0)[1] else None
