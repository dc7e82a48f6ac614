"""The network of a container: made before the container, and kept by its supervisor through all restarts."""

from __future__ import annotations

import os

from runtime.container import Container
from runtime.lean import NamedTuple
from runtime.network.namespace import make_namespace, namespace_of, owner_of
from runtime.network.plan import DEFAULT, HOST, SHARED, read_plan
from runtime.rootless import enter, privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.config import Config
    from runtime.container import Description
    from runtime.network.networks import Networks
    from runtime.network.plan import Attachment, Plan
    from runtime.network.ports import Port


class Sandbox(NamedTuple):
    """What a container's supervisor has to hold so that the container has its network."""

    namespace: int | None = None
    """An open file of the network namespace; None if it is the host's."""
    held: Sequence[int] = ()
    """Open files that keep the published ports from others, or a hub with the container in it."""
    in_hub: bool = False
    """The first of those held is the hub."""

    @property
    def files(self) -> list[int]:
        """All of that, the namespace first."""
        return [*([] if self.namespace is None else [self.namespace]), *self.held]

    def close(self) -> None:
        """Let go of it, which the supervisor has not, if there is one."""
        for file in self.files:
            os.close(file)


class Member(NamedTuple):
    """A container as a network sees it."""

    container: Container
    own_names: Sequence[str]
    """What it calls itself, with its domain first."""
    name: str
    namespace: int
    """An open file of its network namespace."""
    ports: Sequence[Port] = ()
    """What is published in this network."""
    exposed: Sequence[str] = ()


def member_of(container: Container, description: Description, namespace: int) -> Member:
    """Give what a network has to know of a container."""
    from runtime.network.hosts import names_of  # noqa: PLC0415 - for those who are in one

    wishes = description.wishes
    own = names_of(wishes.get("hostname") or container.short_id, wishes.get("domainname", ""))
    return Member(container, own, description.name, namespace)


def enter_for(here: Config, plans: Sequence[Plan]) -> None:
    """Become root, if we are not, where containers with such networks can be started. Raises Fault."""
    if os.geteuid() == 0:
        return
    if any(plan.needs_hub for plan in plans):
        from runtime.network import hub  # noqa: PLC0415 - not for root

        hub.enter(here.state)
        return
    # Who shares a network has to be in the same user namespace.
    others = [f"{here.state}/containers/{plan.container}/netns" for plan in plans if plan.kind == SHARED]
    enter(next((owner_of(link) for link in others if os.path.lexists(link)), 0))


def prepare(here: Config, container: Container, description: Description) -> Sandbox:
    """Make the network of a container that is being started. Raises Fault, and ``release`` is due then."""
    plan = read_plan(container.directory)
    if plan.kind == HOST:
        return Sandbox()
    if plan.kind == SHARED:
        return Sandbox(namespace_of(Container(here.home, here.state, plan.container)))
    ports, held = _reserve(here, plan)
    namespace = make_namespace()
    try:
        if plan.attachments:
            member = member_of(container, description, namespace)._replace(ports=ports, exposed=plan.exposed)
            _join(here, plan, member, held)
    except BaseException:
        Sandbox(namespace, held).close()
        raise
    return Sandbox(namespace, held, in_hub=plan.needs_hub and not privileges().of_host)


def _reserve(here: Config, plan: Plan) -> tuple[list[Port], list[int]]:
    if not plan.publish and not plan.publish_all:
        return [], []
    from runtime.network.ports import ANY  # noqa: PLC0415 - for those who publish some
    from runtime.network.reservation import reserve  # noqa: PLC0415

    address = ""
    if any(attachment.network != DEFAULT for attachment in plan.attachments):
        from runtime.network.networks import Networks  # noqa: PLC0415 - the default network has no options

        networks = Networks(here.home, here.state)
        address = networks.find(_first(networks, plan.attachments).network).bridge.host_address
    return reserve(plan.published(), address or ANY)


def _join(here: Config, plan: Plan, member: Member, held: list[int]) -> None:
    """Put a container into its networks, and add to the files that are held what keeps it there."""
    if not privileges().of_host:
        while held:  # the program that leads to the container is to have the ports
            os.close(held.pop())
        if not plan.needs_hub:
            from runtime.network import slirp  # noqa: PLC0415 - not for root

            held.append(slirp.join(here, plan.attachments[0], member))
            return
        from runtime.network import hub  # noqa: PLC0415 - not for root

        held.extend(hub.enter(here.state).copy())
    from runtime.network.membership import join  # noqa: PLC0415 - for those who are in one
    from runtime.network.networks import Networks  # noqa: PLC0415

    networks = Networks(here.home, here.state)
    publishes = _first(networks, plan.attachments)
    silent = member._replace(ports=(), exposed=())
    for attachment in plan.attachments:
        join(networks, attachment, member if attachment is publishes else silent)


def _first(networks: Networks, attachments: Sequence[Attachment]) -> Attachment:
    """Give the attachment that will have the default route."""
    if len(attachments) == 1:
        return attachments[0]
    from runtime.network.endpoints import rank  # noqa: PLC0415 - for those who are in several

    def order(attachment: Attachment) -> tuple[bool, int, str]:
        network = networks.find(attachment.network)
        return rank(network.name, attachment.priority, internal=network.internal)

    return min(attachments, key=order)
