"""What a container wants of networks, as it is kept with the container: ``containers/ID/network.json``.

A file of its own, because ``preg network connect`` changes it while a supervisor has the container.
"""

from runtime.lean import NamedTuple, suppress
from runtime.record import read_record, write_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

    from runtime.network.ports import Publish

#: The network of a container for which none was named.
DEFAULT: "Final" = "bridge"
#: Kinds of plans.
HOST: "Final" = "host"
NONE: "Final" = "none"
SHARED: "Final" = "container"
BRIDGES: "Final" = "bridges"


class Attachment(NamedTuple):
    """A network that a container is in, and what it wants there."""

    network: str
    """The network's ID, or the name of the default network."""
    aliases: "Sequence[str]" = ()
    address: str = ""
    mac: str = ""
    priority: int = 0
    """The network of the highest has the container's default route, and of equal ones the first by name."""
    links: "Sequence[str]" = ()
    """``CONTAINER_ID:ALIAS``: names that the container alone has for others."""


class Plan(NamedTuple):
    """The network of a container."""

    kind: str = BRIDGES
    container: str = ""
    """Whose network it shares."""
    attachments: "Sequence[Attachment]" = ()
    publish: "Sequence[str]" = ()
    publish_all: bool = False
    exposed: "Sequence[str]" = ()

    @property
    def mode(self) -> str:
        """What Docker calls it."""
        if self.kind == SHARED:
            return f"container:{self.container}"
        if self.kind != BRIDGES:
            return self.kind
        return self.attachments[0].network if self.attachments else DEFAULT

    @property
    def needs_hub(self) -> bool:
        """Whether it is more than the default network, in which containers without root are alone."""
        return self.kind == BRIDGES and any(attachment.network != DEFAULT for attachment in self.attachments)

    def published(self) -> "Iterable[Publish]":
        """Give every port that is to be published."""
        from runtime.network.ports import read_publish  # noqa: PLC0415 - for those who publish some

        for text in self.publish:
            yield from read_publish(text)
        covered = {f"{publish.port}/{publish.protocol}" for text in self.publish for publish in read_publish(text)}
        for text in self.exposed if self.publish_all else ():
            if text not in covered:
                yield from read_publish(text)


def read_plan(directory: str) -> Plan:
    """Read the plan of a container by its directory; that of one that is gone is empty."""
    with suppress(FileNotFoundError):
        plan = read_record(Plan, f"{directory}/network.json")
        return plan._replace(attachments=[Attachment(*attachment) for attachment in plan.attachments])
    return Plan(NONE)


def write_plan(directory: str, plan: Plan, *, durable: bool) -> None:
    """Write down what a container wants."""
    write_record(f"{directory}/network.json", plan, durable=durable)
