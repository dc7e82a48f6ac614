"""Making a container: what a person asks, put together with what the image says."""

from __future__ import annotations

import os
import time

from runtime import bundle
from runtime.container import STOP_TIMEOUT, Description, LogPolicy, Restart
from runtime.containers import plain_name
from runtime.errors import Fault, UsageError
from runtime.image_config import Process
from runtime.lean import NamedTuple, signal, suppress
from runtime.names import invent_name
from runtime.network.plan import DEFAULT, Attachment, Plan, write_plan
from runtime.record import encode, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.container import Container, HealthCheck
    from runtime.containers import Containers
    from runtime.engine import Engine
    from runtime.health_check import HealthWish
    from runtime.image_config import ImageConfig
    from runtime.mounts import Mount
    from storage.oci.digest import Digest


class Wanted(NamedTuple):
    """What is asked of a container beside what is inside it; None leaves it to the image, or to us."""

    image: str
    """The image as the person has named it."""
    name: str | None = None
    labels: dict[str, str] = {}  # noqa: RUF012 - never changed
    restart: Restart = Restart()
    remove: bool = False
    stdin: bool = False
    typed: bool = False
    """Its standard input is whoever's who starts it, and ends when they leave."""
    shown: tuple[int, ...] = ()
    """What it prints that whoever makes it wants to see, by the kinds of streams."""
    stop_signal: str | None = None
    stop_timeout: int | None = None
    network: Plan = Plan(attachments=[Attachment(DEFAULT)])
    health: HealthWish | None = None
    log: LogPolicy = LogPolicy()


def create(  # noqa: PLR0913 - an image, what is asked, and where and by whom it is done
    containers: Containers,
    image: Digest,
    config: ImageConfig,
    *,
    wishes: bundle.Wishes,
    wanted: Wanted,
    engine: Engine,
) -> tuple[Container, int]:
    """Make a container of an image: give it, and the lock on it, for it is not yet put away.

    Raises Fault, and leaves nothing then.
    """
    settings = config.config or Process()
    wishes = wishes._replace(user=wishes.user or settings.user)
    if settings.volumes or wishes.mounts:
        from runtime.provision import complete, find_images  # noqa: PLC0415 - most containers have none

        wishes = complete(wishes, settings.volumes or {})
        if any(mount.kind == "image" for mount in wishes.mounts):
            wishes = find_images(wishes, containers.home)
    description = _describe(image, settings, wishes, wanted, engine)
    encode(description._asdict())  # or nobody could read it again
    container, held = containers.make()
    name = ""
    try:
        name = _take_name(containers, container, wanted.name)
        description = description._replace(name=name)
        exposed = dict.fromkeys((*wanted.network.exposed, *_exposed(settings)))
        write_plan(container.directory, wanted.network._replace(exposed=list(exposed)), durable=not wanted.remove)
        container.write_description(description)
        if wishes.mounts:
            _make_volumes(containers, wishes.mounts)
    except BaseException:
        containers.remove(container, volumes=True)
        container.unregister()
        if name:
            containers.release_stray(name)
        raise
    containers.note(container, "create", description=description)
    return container, held


def _describe(image: Digest, settings: Process, wishes: bundle.Wishes, wanted: Wanted, engine: Engine) -> Description:
    """Put together what is asked and what the image says, but for a name that is yet to be invented."""
    return Description(
        name=wanted.name or "",
        created=time.time(),
        image=wanted.image,
        image_id=image,
        engine=engine.program,
        arguments=bundle.arguments(settings, wishes),
        wishes=plain(wishes),
        labels={**(settings.labels or {}), **wanted.labels},
        restart=wanted.restart,
        remove=wanted.remove,
        terminal=wishes.terminal,
        stdin=wanted.stdin,
        stdin_once=wanted.stdin and wanted.typed,
        stop_signal=_decide_signal(wanted.stop_signal, settings.stop_signal),
        stop_timeout=STOP_TIMEOUT if wanted.stop_timeout is None else wanted.stop_timeout,
        health=_decide_health(wanted.health, settings),
        log=wanted.log,
        shown=list(wanted.shown),
    )


def _decide_signal(wanted: str | None, of_image: str) -> int:
    """Choose the signal that asks the container to end; one that an image says wrong is none. Raises UsageError."""
    if not (wanted or of_image):
        return signal.SIGTERM  # as for most containers
    from runtime.signals import read_signal  # noqa: PLC0415

    if wanted:
        return read_signal(wanted)
    with suppress(UsageError):
        return read_signal(of_image)
    return signal.SIGTERM


def _decide_health(wish: HealthWish | None, image: Process) -> HealthCheck | None:
    if wish is None and image.healthcheck is None:
        return None  # as for most containers
    from runtime.health_check import HealthWish, decide  # noqa: PLC0415

    return decide(wish or HealthWish(), image)


def _exposed(image: Process) -> list[str]:
    """List the ports that an image says it listens on, but for those that make no sense."""
    if not image.exposed_ports:
        return []
    from runtime.network.ports import read_exposed  # noqa: PLC0415 - many containers listen on none

    ports = []
    for text in image.exposed_ports:
        with suppress(UsageError):
            ports += read_exposed(text, "the image's ExposedPorts")
    return ports


def _make_volumes(containers: Containers, mounts: Sequence[Mount]) -> None:
    from runtime.volumes import Volumes  # noqa: PLC0415 - most containers have none

    volumes = Volumes(containers.home)
    for mount in mounts:
        if mount.kind == "volume":
            os.close(volumes.take(mount))


def _take_name(containers: Containers, container: Container, wanted: str | None) -> str:
    if wanted is not None:
        name = plain_name(wanted)
        containers.take_name(name, container)
        return name
    while True:
        name = invent_name()
        with suppress(Fault):
            containers.take_name(name, container)
            return name
