"""Putting containers that are there into networks, and taking them out again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.container import Container
from runtime.errors import Fault
from runtime.network.endpoints import endpoints_of
from runtime.network.membership import join, leave
from runtime.network.namespace import namespace_of
from runtime.network.networks import Network, Networks
from runtime.network.plan import BRIDGES, DEFAULT, Attachment, Plan, read_plan, write_plan
from runtime.network.sandbox import member_of
from runtime.rootless import privileges


def connect(networks: Networks, container: Container, attachment: Attachment) -> None:
    """Put a container into a network, at once if it runs. Raises Fault."""
    with networks.changing_plans():
        plan = _plan(container)
        if any(each.network == attachment.network for each in plan.attachments):
            raise Fault(f"the container {container.describe().name} is in that network already")
        if container.state().alive:
            _check_not_alone(container)
            with _namespace(container) as namespace:
                join(networks, attachment, member_of(container, container.describe(), namespace))
        write_plan(container.directory, plan._replace(attachments=[*plan.attachments, attachment]), durable=True)


def disconnect(networks: Networks, container: Container, network: Network) -> None:
    """Take a container out of a network, at once if it runs. Raises Fault."""
    wanted = DEFAULT if network.name == DEFAULT else network.id
    with networks.changing_plans():
        plan = _plan(container)
        left = [each for each in plan.attachments if each.network != wanted]
        if len(left) == len(plan.attachments):
            raise Fault(f"the container {container.describe().name} is not in the network {network.name!r}")
        for endpoint in endpoints_of(networks.state, container.id):
            if endpoint.network == network.id:
                _check_not_alone(container)
                leave(networks, endpoint)
        write_plan(container.directory, plan._replace(attachments=left), durable=True)


def _plan(container: Container) -> Plan:
    plan = read_plan(container.directory)
    if plan.kind != BRIDGES:
        name = container.describe().name
        raise Fault(f"the container {name} has the network {plan.mode!r}, and so cannot be in another")
    return plan


def _check_not_alone(container: Container) -> None:
    """Raise Fault if a container without root that runs has a network of its own, which leads nowhere else."""
    if not privileges().of_host and not os.path.lexists(f"{container.running}/hub"):
        raise Fault(
            f"the container {container.describe().name} was started in the default network alone, which it cannot leave"
            " without root while it runs: stop it first"
        )


@contextmanager
def _namespace(container: Container) -> Iterator[int]:
    namespace = namespace_of(container)
    try:
        yield namespace
    finally:
        os.close(namespace)
