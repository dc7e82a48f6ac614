"""One container as it is kept: what was asked of it, how it fares, and who is responsible for it.

``containers/ID/`` below the home directory holds ``container.json`` (what was asked), ``state.json`` (how it fares) and
all the container has written. Who makes, runs or removes the container holds a lock on that directory.
``containers/ID/`` below the state directory is there while the container runs.

Supervisors stay small by importing little, so nothing here goes beyond a few modules of the standard library.
"""

from __future__ import annotations

import errno
import os

from runtime.errors import Damaged
from runtime.lean import NamedTuple, contextmanager, suppress
from runtime.lock import lock, make_private
from runtime.record import overwrite_record, read_record, write_record
from runtime.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

#: A link beside the socket that says which control group is above its own, if one was asked for.
PARENT_GROUP: Final = "cgroup-parent"
#: How a container fares.
CREATED: Final = "created"
RUNNING: Final = "running"
RESTARTING: Final = "restarting"
EXITED: Final = "exited"
#: So long it is waited for one that was asked to end, in seconds, if nothing else is asked for.
STOP_TIMEOUT: Final = 10
#: What is said when there is no more room.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Restart(NamedTuple):
    """When a container is started again by itself. ``retries`` limits ``on-failure``; 0 is no limit."""

    policy: str = "no"
    retries: int = 0


class LogPolicy(NamedTuple):
    """How much of what a container prints is kept."""

    driver: str = "json-file"
    """As Docker calls it; ``none`` keeps nothing, and the others are one."""
    size: int = 10_000_000
    """Of each file; Docker keeps everything by default, which has filled many a disk."""
    files: int = 3
    labels: str = ""
    """The labels that ``preg logs --details`` shows, with commas between."""
    env: str = ""
    """The variables that it shows."""


class HealthCheck(NamedTuple):
    """How it is seen whether a container is well. Times are in seconds."""

    test: list[str]
    """As Docker writes it: CMD and words, or CMD-SHELL and a line for a shell."""
    interval: float
    timeout: float
    start_period: float
    retries: int
    """So many failures in a row make it unhealthy."""
    start_interval: float = 5.0
    """Between checks in the start period, until the first is passed."""

    @property
    def off(self) -> bool:
        """Whether it is said that there is none."""
        return self.test == ["NONE"]

    @property
    def command(self) -> list[str]:
        """What is run."""
        return ["/bin/sh", "-c", *self.test[1:]] if self.test[0] == "CMD-SHELL" else self.test[1:]


class Description(NamedTuple):
    """What was asked of a container, and what its image made of that."""

    name: str
    created: float
    image: str
    """The image as it was named."""
    image_id: str
    """The digest of the image's configuration."""
    engine: str
    """The path of the OCI runtime."""
    arguments: list[str]
    wishes: dict[str, Any]
    labels: dict[str, str]
    restart: Restart = Restart()
    remove: bool = False
    terminal: bool = False
    stdin: bool = False
    """Standard input is kept open for those who attach."""
    stdin_once: bool = False
    """It is closed when the first who attached leaves."""
    stop_signal: int = 15
    stop_timeout: int = STOP_TIMEOUT
    health: HealthCheck | None = None
    log: LogPolicy = LogPolicy()
    shown: list[int] = []  # noqa: RUF012 - never changed
    """What it prints that whoever made it wanted to see, by the kinds of streams."""

    @property
    def shares_namespaces(self) -> bool:
        """Whether it is to be in the PID or IPC namespace of another container."""
        return any(self.wishes.get(kind, "").startswith("container:") for kind in ("pid", "ipc"))

    @property
    def images(self) -> list[str]:
        """The IDs of what it needs: its image, and those that are mounted in it."""
        return [self.image_id, *(m["source"] for m in self.wishes.get("mounts", ()) if m["kind"] == "image")]


class State(NamedTuple):
    """How a container fares. Times are seconds since the epoch, 0 for never."""

    status: str = CREATED
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    started: float = 0.0
    finished: float = 0.0
    restarts: int = 0
    """How often it was started again by itself."""
    stopped: bool = False
    """A person wanted it to end, so it is not started again by itself."""
    cut_off: bool = False
    """It ended with the host, or with its supervisor."""
    oom_killed: bool = False
    """It ended because it, or what it ran, wanted more memory than it may have."""
    health: dict[str, Any] | None = None
    """What its checks have shown, in the names of Docker's API."""

    @property
    def alive(self) -> bool:
        """Whether a supervisor is responsible for it."""
        return self.status in (RUNNING, RESTARTING)


class Container:
    """A container's places, by its ID."""

    def __init__(self, home: str, state: str, identifier: str) -> None:
        self.id = identifier
        self.home = home
        self.directory = f"{home}/containers/{identifier}"
        self.running = f"{state}/containers/{identifier}"
        """Here while it runs: its socket, what its engine says, and a link to ``directory``."""

    @property
    def short_id(self) -> str:
        """What people see of the ID."""
        return self.id[:12]

    @property
    def group(self) -> str:
        """Its name among the control groups while it runs."""
        with suppress(OSError):
            return f"{os.readlink(f'{self.running}/{PARENT_GROUP}')}/{self.id}"
        return self.id

    def describe(self) -> Description:
        """Read what was asked of it. Raises FileNotFoundError if it is gone, or was never whole, and Damaged."""
        try:
            description = read_record(Description, f"{self.directory}/container.json")
            health = None if description.health is None else HealthCheck(*description.health)
            return description._replace(
                restart=Restart(*description.restart), health=health, log=LogPolicy(*description.log)
            )
        except (ValueError, TypeError) as error:
            raise Damaged(
                f"what {self.directory} says of its container cannot be read: save what you need, and remove it with"
                f" 'preg rm -f {self.short_id}' ({error})"
            ) from error

    def state(self) -> State:
        """Read how it fares. Raises FileNotFoundError if it is gone."""
        path = f"{self.directory}/state.json"
        try:
            return read_record(State, path)
        except FileNotFoundError:
            os.stat(f"{self.directory}/container.json")
            return State()
        except ValueError:
            # The power was cut just after it was written. Then it was started, and ends when it is looked for.
            return State(RUNNING, started=os.stat(path).st_mtime)

    def write_description(self, description: Description) -> None:
        """Write down what was asked of it; durable, for it is all that makes a container."""
        write_record(f"{self.directory}/container.json", description, durable=not description.remove)

    def write_state(self, state: State) -> None:
        """Write down how it fares; also on a full disk, unless it is the first time."""
        path = f"{self.directory}/state.json"
        try:
            write_record(path, state, durable=False)
        except OSError as error:
            if error.errno not in _FULL or not os.path.exists(path):
                raise
            overwrite_record(path, state)

    def register(self) -> None:
        """Make what is here while it runs. From now on the next command finds it if we are killed."""
        with suppress(FileNotFoundError):
            if os.listdir(self.running) == ["container"]:
                return  # as whoever makes a container to be started at once has done
        remove_tree(self.running)
        make_private(self.running)
        os.symlink(self.directory, f"{self.running}/container")

    def unregister(self) -> None:
        """It does not run, and is whole."""
        remove_tree(self.running)

    def lock(self) -> int | None:
        """Take responsibility for it: an open file to be closed. None if somebody has it, or the container is gone."""
        return lock(self.directory)

    def wait_for_lock(self) -> int | None:
        """Take responsibility for it as soon as nobody else has it; None if the container is gone then."""
        return lock(self.directory, wait=True)


@contextmanager
def reachable(folder: str) -> Iterator[str]:
    """Give a short path of a folder: the name of a socket has room for 107 bytes."""
    opened = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}"
    finally:
        os.close(opened)
