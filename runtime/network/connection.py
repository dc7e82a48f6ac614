"""Putting containers that are there into networks, and taking them out again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runtime.container import Container
from runtime.errors import Fault
from runtime.network.endpoints import Endpoint, endpoints_of
from runtime.network.membership import join, leave, move_ports
from runtime.network.namespace import namespace_of
from runtime.network.networks import Network, Networks
from runtime.network.plan import BRIDGES, DEFAULT, Attachment, Plan, read_plan, write_plan
from runtime.network.sandbox import member_of
from runtime.record import read_record, write_record
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
            _settle_ports(networks, container)
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
                if endpoint.ports or endpoint.exposed:
                    write_record(_put_by(container), endpoint, durable=False)
                with _namespace(container) as namespace:
                    leave(networks, endpoint, namespace)
                _settle_ports(networks, container)
        write_plan(container.directory, plan._replace(attachments=left), durable=True)


def _settle_ports(networks: Networks, container: Container) -> None:
    """Have what a container publishes lead to it by the network that has its default route, whatever that is now."""
    endpoints = endpoints_of(networks.state, container.id)
    first = min(endpoints, key=lambda endpoint: endpoint.rank, default=None)
    if first is None:
        return  # they stay put by until it is in a network again
    old = next((endpoint for endpoint in endpoints if endpoint.ports or endpoint.exposed), None)
    kept = old
    if kept is None:
        with suppress(FileNotFoundError):
            kept = read_record(Endpoint, _put_by(container))
    if kept is not None and kept is not first:
        move_ports(networks, old, first._replace(ports=kept.ports, exposed=kept.exposed))
        with suppress(FileNotFoundError):
            os.unlink(_put_by(container))


def _put_by(container: Container) -> str:
    """Give the file of what a container publishes that is in no network for now; it goes when the container ends."""
    return f"{container.running}/ports.json"


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
