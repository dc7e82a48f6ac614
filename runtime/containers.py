"""All containers of a home directory, by ID and by name.

A name is a symbolic link ``names/NAME`` to an ID: making one is exclusive and atomic, so no two containers can have it.
Whoever is killed while making or removing a container leaves a link without its container, which is nobody's and may be
taken. Links are taken away under a lock on ``names``, held no longer than that takes.
"""

from __future__ import annotations

import os

from runtime.container import Container
from runtime.errors import Damaged, Fault, NotFound, UsageError
from runtime.events import record
from runtime.lean import suppress
from runtime.lock import holding, lock, make_private
from runtime.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Final

    from runtime.container import Description

_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_HEX: Final = frozenset("0123456789abcdef")


class Containers:
    """The containers below a home directory; ``state`` is what a reboot may forget of them."""

    def __init__(self, home: str, state: str) -> None:
        self.home = home
        self.state = state
        self._names = f"{home}/names"

    def get(self, identifier: str) -> Container:
        """Give the container with an ID; it need not be there."""
        return Container(self.home, self.state, identifier)

    def find(self, text: str) -> Container:
        """Find a container by its ID, its name, or the first characters of its ID. Raises Fault."""
        text = plain_name(text)
        with suppress(OSError):
            if not text.startswith(".") and "/" not in text:
                container = self.get(os.readlink(f"{self._names}/{text}"))
                if _is_called(container, text):
                    return container
        found = [i for i in self._identifiers() if i.startswith(text)] if text and set(text) <= _HEX else []
        found = [i for i in found if os.path.exists(f"{self.get(i).directory}/container.json")]
        if not found:
            raise NotFound(f"there is no container {text!r}: 'preg ps -a' lists those there are")
        if len(found) > 1:
            raise Fault(f"{text!r} begins the IDs of {len(found)} containers: write more of the one you mean")
        return self.get(found[0])

    def __iter__(self) -> Iterator[Container]:
        """Give every container, in no order; one may be gone when it is looked at."""
        for identifier in self._identifiers():
            container = self.get(identifier)
            if os.path.exists(f"{container.directory}/container.json"):
                yield container

    def unfinished(self) -> Iterator[Container]:
        """Give what is no container yet, or no more."""
        for identifier in self._identifiers():
            container = self.get(identifier)
            if not os.path.exists(f"{container.directory}/container.json"):
                yield container

    def started(self) -> Iterator[Container]:
        """Give those that have been started and not been put away: all that run, and what the killed have left.

        They may belong to another home directory that has the same state directory.
        """
        for name in _listed(f"{self.state}/containers"):
            running = f"{self.state}/containers/{name}"
            with suppress(OSError):
                home = os.path.dirname(os.path.dirname(os.readlink(f"{running}/container")))
                yield Container(home, self.state, name)

    def make(self) -> tuple[Container, int]:
        """Make an empty container that is ours: give it, and the lock on it."""
        while True:
            container = self.get(os.urandom(32).hex())
            make_private(container.directory)
            held = container.lock()
            if held is not None:
                container.register()
                return container, held

    def take_name(self, name: str, container: Container) -> None:
        """Let a name stand for a container. Raises Fault if it stands for another, UsageError if it cannot be one."""
        _check_name(name)
        make_private(self._names)
        with suppress(FileExistsError):
            os.symlink(container.id, f"{self._names}/{name}")
            return
        with self._changing_names():
            self._take_over(name, container)

    def rename(self, container: Container, name: str) -> None:
        """Give a container another name. Raises Fault and UsageError as for a new one."""
        _check_name(name)
        with self._changing_names():
            description = container.describe()
            self._take_over(name, container)
            container.write_description(description._replace(name=name))
            with suppress(FileNotFoundError):
                os.unlink(f"{self._names}/{description.name}")
        self.note(container, "rename", {"oldName": f"/{description.name}"})
        from runtime.network import endpoints  # noqa: PLC0415 - rarely needed

        endpoints.rename(self.state, container.id, description.name, name)

    def redescribe(self, container: Container, change: Callable[[Description], Description]) -> None:
        """Change what is written down of a container, while nobody else does. Raises FileNotFoundError."""
        with self._changing_names():
            container.write_description(change(container.describe()))

    def stray_names(self) -> list[str]:
        """List the names that stand for no container."""
        return [name for name in _listed(self._names) if self._owner(name) is None]

    def release_stray(self, name: str) -> None:
        """Remove a name, if it is there and stands for no container."""
        with self._changing_names(), suppress(FileNotFoundError):
            if self._owner(name) is None:
                os.unlink(f"{self._names}/{name}")

    def note(
        self,
        container: Container,
        action: str,
        more: Mapping[str, str] | None = None,
        description: Description | None = None,
    ) -> None:
        """Write down what happens to a container. Raises FileNotFoundError if it is gone, and not described here."""
        described = description or container.describe()
        attributes = {**described.labels, "image": described.image, "name": described.name, **(more or {})}
        record(self.home, action, container.id, attributes)

    def remove(self, container: Container, *, volumes: bool = False) -> None:
        """Remove a container that we hold the lock of, and nobody runs; with ``volumes`` also those without a name."""
        self.forget(container, volumes=volumes)
        remove_tree(container.directory)

    def forget(self, container: Container, *, volumes: bool = False) -> None:
        """Let what is to be removed be no container any more: its name is free, and what it has written is nobody's.

        That is swept away, if whoever holds the lock does not live to delete it.
        """
        if volumes:
            self._remove_volumes(container)
        description = None
        os.makedirs(self._names, mode=0o700, exist_ok=True)
        # In one, or a rename would write it down once more.
        with self._changing_names(), suppress(FileNotFoundError):
            try:
                description = container.describe()
                self._release(description.name, container)
            except Damaged:
                for name in _listed(self._names):
                    self._release(name, container)
            os.unlink(f"{container.directory}/container.json")
        if description is not None:
            self.note(container, "destroy", description=description)

    def unmount_volumes(self, container: Container) -> None:
        """Unmount the volumes of a container that does not run any more, where no other needs them."""
        with suppress(FileNotFoundError, Damaged):
            if any(mount["kind"] == "volume" for mount in container.describe().wishes.get("mounts", ())):
                from runtime.volume_mounts import release  # noqa: PLC0415 - few containers have any

                release(self, container)

    def _remove_volumes(self, container: Container) -> None:
        with suppress(FileNotFoundError, Damaged):
            if any(mount.get("anonymous") for mount in container.describe().wishes.get("mounts", ())):
                from runtime.volumes import remove_anonymous  # noqa: PLC0415 - few containers have any

                remove_anonymous(self, container)

    def _release(self, name: str, container: Container) -> None:
        with suppress(FileNotFoundError):
            if os.readlink(f"{self._names}/{name}") == container.id:
                os.unlink(f"{self._names}/{name}")

    def _take_over(self, name: str, container: Container) -> None:
        """Take a name that may be nobody's any more, while nobody else changes names."""
        owner = self._owner(name)
        if owner is not None:
            raise Fault(
                f"the name {name!r} is in use by the container {owner.short_id}: remove it, or take another name"
            )
        with suppress(FileNotFoundError):
            os.unlink(f"{self._names}/{name}")
        try:
            os.symlink(container.id, f"{self._names}/{name}")
        except FileExistsError as error:
            raise Fault(f"the name {name!r} was taken by somebody else just now") from error

    def _owner(self, name: str) -> Container | None:
        """Tell whose a name is; None if whoever took it is gone."""
        try:
            container = self.get(os.readlink(f"{self._names}/{name}"))
        except FileNotFoundError:
            return None
        try:
            if _is_called(container, name):
                return container
        except FileNotFoundError:
            pass
        # Perhaps it is being made or renamed just now.
        held = lock(container.directory)
        if held is not None:
            os.close(held)
        return None if held is not None or not os.path.exists(container.directory) else container

    def _changing_names(self) -> AbstractContextManager[None]:
        return holding(self._names)

    def _identifiers(self) -> list[str]:
        return _listed(f"{self.home}/containers")


def plain_name(text: str) -> str:
    """Give a name without the slash that ``inspect`` writes before it, and that Docker takes there."""
    return text.removeprefix("/")


def _is_called(container: Container, name: str) -> bool:
    """Tell whether a name that leads to a container is its own; of one that is damaged it is all we know."""
    try:
        return container.describe().name == name
    except Damaged:
        return True


def _check_name(text: str) -> None:
    """Hold a name to Docker's rule."""
    if not (1 < len(text) < 256 and set(text) <= _NAME_CHARACTERS and text[0].isalnum()):
        raise UsageError(
            f"{text!r} cannot be a container's name: two or more letters and digits, behind the first also . _ -"
        )


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
