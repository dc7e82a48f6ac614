"""The options of ``preg run`` and ``preg create`` about networks and ports."""

from __future__ import annotations

import sys

from runtime.cli.options import Option
from runtime.errors import UsageError
from runtime.network.addresses import read_address, read_mac
from runtime.network.networks import DEFAULT
from runtime.network.plan import BRIDGES, HOST, NONE, SHARED, Attachment, Plan, read_plan
from runtime.network.ports import read_exposed, read_publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.cli.options import Options
    from runtime.container import Container
    from runtime.containers import Containers
    from runtime.network.networks import Networks

OPTIONS: Final = (
    Option("--network", "bridge (the default), one of 'preg network ls', host, none, container:NAME", "NETWORK"),
    Option("--net", "The same as --network", "NETWORK"),
    Option("--network-alias", "Another name that its networks know it by", "NAME"),
    Option("--ip", "Its address in the network", "ADDRESS"),
    Option("--mac-address", "Its hardware address in the network", "ADDRESS"),
    Option("--publish", "Let a port of this host lead to one of it", "[[ADDRESS:]HOST:]PORT[/PROTOCOL]", "-p"),
    Option("--publish-all", "Publish every port that is exposed, at a free one", short="-P"),
    Option("--expose", "Say that it listens there, beside what its image says", "PORT[/PROTOCOL]"),
)


def read_network(options: Options, containers: Containers, networks: Networks) -> Plan:
    """Read what was asked of the network. Raises UsageError, and Fault if there is no such network or container."""
    wanted = [*options.all("--network"), *options.all("--net")] or [DEFAULT]
    publish = tuple(options.all("--publish"))
    for text in publish:
        read_publish(text)
    plan = Plan(
        publish=publish,
        publish_all="--publish-all" in options,
        exposed=tuple(port for text in options.all("--expose") for port in read_exposed(text, f"--expose {text!r}")),
    )
    kind, _, name = wanted[0].partition(":")
    if kind not in (HOST, NONE, SHARED):
        return plan._replace(kind=BRIDGES, attachments=_read_attachments(wanted, options, networks))
    if len(wanted) > 1:
        raise UsageError(f"--network {kind} excludes any other network")
    for option in ("--network-alias", "--ip", "--mac-address"):
        if options.all(option):
            raise UsageError(f"{option} is for a network of one's own, and --network is {kind}")
    if kind == SHARED:
        if publish or plan.publish_all:
            raise UsageError("-p excludes --network container:NAME: publish ports with that container")
        return _share(plan, containers.find(name))
    if kind == HOST and (publish or plan.publish_all):
        sys.stderr.write("preg: -p does nothing with --network host: the ports are the host's already\n")
    return plan._replace(kind=kind)


def _share(plan: Plan, other: Container) -> Plan:
    of_other = read_plan(other.directory)
    if of_other.kind in (HOST, SHARED):
        return plan._replace(kind=of_other.kind, container=of_other.container)
    return plan._replace(kind=SHARED, container=other.id)


def _read_attachments(wanted: list[str], options: Options, networks: Networks) -> list[Attachment]:
    attachments = [_read_attachment(text, networks) for text in wanted]
    aliases, address, mac = options.all("--network-alias"), options.last("--ip"), options.last("--mac-address")
    first = attachments[0]
    if first.network == DEFAULT and (aliases or address):
        raise UsageError("--network-alias and --ip are for networks of 'preg network create', which --network names")
    if address is not None:
        read_address(address, "--ip")
    if mac is not None:
        read_mac(mac)
    attachments[0] = first._replace(
        aliases=[*first.aliases, *aliases], address=address or first.address, mac=mac or first.mac
    )
    if len({attachment.network for attachment in attachments}) < len(attachments):
        raise UsageError("--network names a network twice")
    return attachments


def _read_attachment(text: str, networks: Networks) -> Attachment:
    """Read a network's name, or Docker's ``name=NETWORK,alias=NAME,ip=ADDRESS,mac-address=ADDRESS``."""
    if "=" not in text:
        return Attachment(_find(text, networks))
    aliases, found = [], dict[str, str]()
    for item in text.split(","):
        key, _, value = item.partition("=")
        if key == "alias":
            aliases.append(value)
        elif key in ("name", "ip", "mac-address"):
            found[key] = value
        else:
            raise UsageError(f"--network {text!r}: it has name, alias, ip and mac-address, not {key!r}")
    if "name" not in found:
        raise UsageError(f"--network {text!r}: it says no name=NETWORK")
    if "ip" in found:
        read_address(found["ip"], "--network ip=")
    if "mac-address" in found:
        read_mac(found["mac-address"])
    return Attachment(_find(found["name"], networks), aliases, found.get("ip", ""), found.get("mac-address", ""))


def _find(name: str, networks: Networks) -> str:
    # The default network is another's after a reboot, but has the same name.
    return DEFAULT if name in (DEFAULT, "default") else networks.find(name).id
