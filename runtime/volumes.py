"""Volumes: directories that outlive containers.

``volumes/NAME/`` below the home directory holds ``volume.json`` (what is known of it) and ``data/``. It appears whole
by a rename, and goes by one. Whoever fills or removes a volume holds a lock on its directory. A container's record
names its volumes before the container takes them, and whoever removes a volume looks through the records while holding
the lock: so none is removed that somebody has taken.

Supervisors remove the volumes of containers that are removed when they end, so this is the standard library alone.
"""

from __future__ import annotations

import os
import time

from runtime.errors import Fault, NotFound, UsageError
from runtime.events import record
from runtime.lean import NamedTuple, contextmanager, from_json, to_json
from runtime.lock import lock, make_private
from runtime.rootless import enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any, Final

    from runtime.container import Container
    from runtime.containers import Containers
    from runtime.mounts import Mount

#: In a volume's directory, what is to fill it: while it is being copied, and until all of that is moved in.
NEW: Final = "new"
WHOLE: Final = "whole"
#: The label by which Docker knows a volume that nobody has named.
ANONYMOUS: Final = "com.docker.volume.anonymous"
_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


class Volume(NamedTuple):
    """What is known of a volume."""

    name: str
    created: float
    labels: dict[str, str]
    options: dict[str, str]
    """What is mounted there, as Docker's driver local has it: type, device and o."""

    @property
    def anonymous(self) -> bool:
        """Whether nobody has named it."""
        return ANONYMOUS in self.labels


def check_name(name: str) -> None:
    """Hold a name to Docker's rule. Raises UsageError."""
    if not (1 < len(name) < 256 and set(name) <= _NAME_CHARACTERS and name[0].isalnum()):
        raise UsageError(
            f"{name!r} cannot be a volume's name: two or more letters and digits, behind the first also . _ -; "
            "a path of this host begins with /"
        )


def invent_name() -> str:
    """Give a name that is nobody's."""
    return os.urandom(32).hex()


class Volumes:
    """The volumes below a home directory."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._folder = f"{home}/volumes"
        self._new = f"{self._folder}/.new"

    def directory(self, name: str) -> str:
        """Give the directory of a volume; it need not exist."""
        return f"{self._folder}/{name}"

    def data(self, name: str) -> str:
        """Give the directory that containers see."""
        return f"{self._folder}/{name}/data"

    def has(self, name: str) -> bool:
        """Tell whether a volume is there, which means whole."""
        return os.path.isdir(self.directory(name))

    def get(self, name: str) -> Volume:
        """Read what is known of a volume. Raises Fault if there is none of that name."""
        check_name(name)
        try:
            with open(f"{self.directory(name)}/volume.json", encoding="utf-8") as file:
                known = from_json(file.read())
        except FileNotFoundError:
            raise NotFound(f"there is no volume {name!r}: 'preg volume ls' lists those there are") from None
        return Volume(name, known["created"], known["labels"], known.get("options") or {})

    def __iter__(self) -> Iterator[Volume]:
        """Give every volume, by name."""
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return
        for name in names:
            if not name.startswith("."):
                try:
                    yield self.get(name)
                except Fault:  # removed while we looked
                    continue

    def make(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        *,
        anonymous: bool = False,
    ) -> None:
        """Make a volume; one that is there stays as it is."""
        check_name(name)
        if self.has(name):
            return
        with self._workspace() as place:
            made = place / name
            (made / "data").mkdir(parents=True)
            made.chmod(0o700)
            (made / "data").chmod(0o755)
            with (made / "volume.json").open("w", encoding="utf-8") as file:
                noted = {**(labels or {}), **({ANONYMOUS: ""} if anonymous else {})}
                file.write(to_json({"created": time.time(), "labels": noted, "options": options or {}}))
                file.flush()
                if not anonymous:
                    os.fsync(file.fileno())
            try:
                made.rename(self.directory(name))
            except OSError:
                if not self.has(name):
                    raise
                return  # somebody else was faster
        self._note(name, "create")

    def take(self, mount: Mount) -> int:
        """Lock what a container mounts, and make it if it is not there: give a file that holds the lock until closed.

        A container that uses the volume must have been written down before.
        """
        while True:
            self.make(mount.source, mount.volume_labels, mount.volume_options, anonymous=mount.anonymous)
            held = lock(self.directory(mount.source), wait=True)
            if held is not None:
                return held

    def remove(self, name: str, containers: Containers, *, leaving: Container | None = None) -> None:
        """Remove a volume that no container but ``leaving`` has. Raises Fault."""
        check_name(name)
        held = lock(self.directory(name), wait=True)
        if held is None:
            raise NotFound(f"there is no volume {name!r}: 'preg volume ls' lists those there are")
        try:
            users = users_of(containers).get(name, {})
            if leaving is not None:
                users.pop(leaving.id, None)
            if users:
                raise Fault(f"the volume {name} is in use by {', '.join(users.values())}: remove what uses it first")
            if self.get(name).options:
                from runtime.volume_mounts import unmount_volume  # noqa: PLC0415 - few volumes have any

                # Whatever is mounted there is not the volume's to delete.
                unmount_volume(self, name)
            with self._workspace() as place:
                os.rename(self.directory(name), place / name)
        finally:
            os.close(held)
        self._note(name, "destroy")

    def _note(self, name: str, action: str) -> None:
        record(self._home, action, name, {"driver": "local"}, kind="volume")

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        """Give a directory for what is half made or half removed; it is removed then, if need be by a later command."""
        from pathlib import Path  # noqa: PLC0415 - a supervisor that has no volumes does without

        from runtime.claim import scratch  # noqa: PLC0415

        make_private(self._folder)
        enter()  # what containers have left belongs to other IDs
        with scratch(Path(self._new)) as place:
            yield place


def users_of(containers: Containers) -> dict[str, dict[str, str]]:
    """Find the containers of each volume, whether they run or not: their names by their IDs."""
    found: dict[str, dict[str, str]] = {}
    for container in containers:
        try:
            description = container.describe()
        except FileNotFoundError:  # removed while we looked
            continue
        for name in volume_names(description.wishes.get("mounts", ())):
            found.setdefault(name, {})[container.id] = description.name
    return found


def volume_names(mounts: tuple[dict[str, Any], ...] | list[dict[str, Any]], *, anonymous: bool = False) -> list[str]:
    """Give the names of the volumes among the mounts of a container's record, or of the anonymous ones alone."""
    return [m["source"] for m in mounts if m["kind"] == "volume" and (m["anonymous"] or not anonymous)]


def remove_anonymous(containers: Containers, container: Container) -> None:
    """Remove the volumes that go with a container, but for those that another one has taken over."""
    volumes = Volumes(container.home)
    for name in volume_names(container.describe().wishes.get("mounts", ()), anonymous=True):
        try:
            volumes.remove(name, containers, leaving=container)
        except Fault:  # in use, or gone already
            continue
