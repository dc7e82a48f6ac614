"""``--link``: names that a container alone has for others."""

from collections.abc import Collection
from contextlib import suppress

from runtime.container import Container
from runtime.errors import Fault
from runtime.network.networks import Networks
from runtime.network.plan import DEFAULT, Attachment


def links_of(
    networks: Networks, attachment: Attachment, members: Collection[str], *, resolves: bool
) -> list[list[str]]:
    """Give for each link the ID of the other container, and the names for it. Raises Fault.

    In the default network, which knows no names, these are also the other's own, and it must run, as with Docker.
    """
    links = []
    for text in attachment.links:
        identifier, _, alias = text.partition(":")
        names = [alias]
        if not resolves:
            other = Container(networks.home, networks.state, identifier)
            if identifier not in members:
                raise Fault(
                    f"--link {alias}: the container {other.short_id} does not run in the network {DEFAULT!r}: start it"
                )
            with suppress(FileNotFoundError):
                described = other.describe()
                names += [described.wishes.get("hostname") or other.short_id, described.name]
        links.append([identifier, *dict.fromkeys(names)])
    return links
