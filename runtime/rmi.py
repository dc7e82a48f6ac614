"""Taking names from images and removing images, by Docker's rules.

An image goes with its last name. One that a container uses is kept unless that is forced, and even then while the
container runs; what a stopped container needs to be started stays whatever happens to the image.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

from runtime.errors import Fault
from runtime.garbage import chain_ids, discard, find_garbage, look_around
from runtime.leftovers import look
from storage.oci.reference import Reference

if TYPE_CHECKING:
    from runtime.container import Container
    from runtime.containers import Containers
    from runtime.images import Images, Record
    from runtime.workspace import Workspace
    from storage.oci.digest import Digest


class Step(NamedTuple):
    """What was done: a name taken away, or an image or a stack of its layers deleted."""

    kind: Literal["Untagged", "Deleted"]
    what: str


class Removal:
    """The removal of images; used while ``images.removing``."""

    def __init__(
        self, images: "Images", containers: "Containers", workspace: "Workspace", *, keep_layers: bool
    ) -> None:
        self._images = images
        self._containers = containers
        self._workspace = workspace
        self._keep_layers = keep_layers

    def remove(self, record: "Record", *, force: bool) -> Iterator[Step]:
        """Remove the name that was found or, if an image was found by its ID, the image. Raises Fault."""
        if record.reference:
            yield from self._remove_name(record, force=force)
        else:
            yield from self._remove_image(record.image, force=force)

    def _remove_name(self, record: "Record", *, force: bool) -> Iterator[Step]:
        names = self._names(record.image)
        user = next(self._users(record.image), None)
        if user is not None and not force and _in_one_repository(names):
            raise Fault(
                f"{Reference.parse(record.reference).familiar} is the last name of an image that the container"
                f" {user.short_id} uses: remove that first, or take the name away with -f"
            )
        yield self._untag(record.reference, record.image)
        taken, left = Reference.parse(record.reference), [name for name in names if name != record.reference]
        if taken.digest is None:
            beside = [name for name in map(Reference.parse, left) if _repository(name) == _repository(taken)]
            if all(name.digest is not None for name in beside):
                for name in map(str, beside):
                    yield self._untag(name, record.image)
                    left.remove(name)
        if not left and not any(self._runs(each) for each in self._users(record.image)):
            yield from self._delete(record.image)

    def _remove_image(self, image: "Digest", *, force: bool) -> Iterator[Step]:
        names, users = self._names(image), list(self._users(image))
        running = next((each for each in users if self._runs(each)), None)
        if running is not None:
            raise Fault(f"the running container {running.short_id} uses the image {image.hex[:12]}: stop that first")
        if not force and not _in_one_repository(names):
            raise Fault(f"the image {image.hex[:12]} has names in several repositories: take them away, or all with -f")
        if not force and users:
            raise Fault(f"the stopped container {users[0].short_id} uses the image {image.hex[:12]}: remove it, or -f")
        for name in names:
            yield self._untag(name, image)
        yield from self._delete(image)

    def _untag(self, name: str, image: "Digest") -> Step:
        self._images.forget_name(name)
        familiar = Reference.parse(name).familiar
        self._images.note("untag", image, familiar)
        return Step("Untagged", familiar)

    def _delete(self, image: "Digest") -> Iterator[Step]:
        chains: list[Digest] = []
        record = self._images.find_by_id(image)
        with suppress(Fault):  # a damaged one can be removed as well
            chains = chain_ids(self._images.open(record).config.rootfs.diff_ids) if record else []
        self._images.forget(image)
        self._images.make_forgetting_durable()
        self._images.note("delete", image, image)
        yield Step("Deleted", image)
        if not self._keep_layers:
            needed = look_around(self._images, self._containers)
            discard(self._images, find_garbage(self._images, needed), self._workspace)
            yield from (Step("Deleted", chain) for chain in reversed(chains) if chain not in needed.chains)

    def _names(self, image: "Digest") -> list[str]:
        return [record.reference for record in self._images.names() if record.image == image]

    def _users(self, image: "Digest") -> Iterator["Container"]:
        for container in self._containers:
            with suppress(FileNotFoundError):  # removed while we looked
                if image in container.describe().images:
                    yield container

    def _runs(self, container: "Container") -> bool:
        with suppress(FileNotFoundError):
            return look(self._containers, container).alive
        return False


def _repository(name: Reference) -> tuple[str, str]:
    return name.registry, name.name


def _in_one_repository(names: list[str]) -> bool:
    """Tell whether names are but one, or one tag and digests of the same repository."""
    read = [Reference.parse(name) for name in names]
    return len({_repository(name) for name in read}) <= 1 and sum(name.digest is None for name in read) <= 1
