"""The networks that a container is to be in, and the ports that are to be published."""

from __future__ import annotations

import sys

from runtime.errors import UsageError
from runtime.network.plan import DEFAULT, HOST, NONE, SHARED, Attachment, Plan, read_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.options import Options
    from runtime.create import Wanted


def ask_network(options: Options, wanted: Wanted) -> Wanted:
    """Add to what is wanted what the options say.

    Raises UsageError, and Fault if there is no such network or container.
    """
    named = [*options.all("--network"), *options.all("--net")] or [DEFAULT]
    kind, _, name = named[0].partition(":")
    plan = _read_ports(options)
    if kind not in (HOST, NONE, SHARED):
        plan = plan._replace(attachments=_read_attachments(named, options))
    else:
        _check_alone(kind, named, options)
        plan = _share(plan, name) if kind == SHARED else plan._replace(kind=kind)
    return wanted._replace(network=plan)


def _read_ports(options: Options) -> Plan:
    publish, expose = options.all("--publish"), options.all("--expose")
    if not publish and not expose:
        return Plan(publish_all="--publish-all" in options)
    from runtime.network.ports import read_exposed, read_publish  # noqa: PLC0415 - for those who name some

    for text in publish:
        read_publish(text)
    exposed = [port for text in expose for port in read_exposed(text, f"--expose {text!r}")]
    return Plan(publish=publish, publish_all="--publish-all" in options, exposed=exposed)


def _check_alone(kind: str, named: list[str], options: Options) -> None:
    """Raise UsageError if anything is asked of a network that is not the container's own."""
    if len(named) > 1:
        raise UsageError(f"--network {kind} excludes any other network")
    for option in ("--network-alias", "--ip", "--mac-address"):
        if options.all(option):
            raise UsageError(f"{option} is for a network of one's own, and --network is {kind}")
    if not options.all("--publish") and "--publish-all" not in options:
        return
    if kind == SHARED:
        raise UsageError("-p excludes --network container:NAME: publish ports with that container")
    if kind == HOST:
        sys.stderr.write("preg: -p does nothing with --network host: the ports are the host's already\n")


def _share(plan: Plan, name: str) -> Plan:
    from runtime.cli.targets import here  # noqa: PLC0415 - for those who name a container

    other = here().find(name)
    of_other = read_plan(other.directory)
    if of_other.kind in (HOST, SHARED):
        return plan._replace(kind=of_other.kind, container=of_other.container)
    return plan._replace(kind=SHARED, container=other.id)


def _read_attachments(named: list[str], options: Options) -> list[Attachment]:
    attachments = [_read_attachment(text) for text in named]
    aliases, address, mac = options.all("--network-alias"), options.last("--ip"), options.last("--mac-address")
    first = attachments[0]
    if first.network == DEFAULT and (aliases or address):
        raise UsageError("--network-alias and --ip are for networks of 'preg network create', which --network names")
    _check_addresses(address, "--ip", mac)
    attachments[0] = first._replace(
        aliases=[*first.aliases, *aliases], address=address or first.address, mac=mac or first.mac
    )
    if len({attachment.network for attachment in attachments}) < len(attachments):
        raise UsageError("--network names a network twice")
    return attachments


def _read_attachment(text: str) -> Attachment:
    """Read a network's name, or Docker's ``name=NETWORK,alias=NAME,ip=ADDRESS,mac-address=ADDRESS``."""
    if "=" not in text:
        return Attachment(_find(text))
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
    _check_addresses(found.get("ip"), "--network ip=", found.get("mac-address"))
    return Attachment(_find(found["name"]), aliases, found.get("ip", ""), found.get("mac-address", ""))


def _check_addresses(address: str | None, what: str, mac: str | None) -> None:
    if address is None and mac is None:
        return
    from runtime.network.addresses import read_address, read_mac  # noqa: PLC0415 - most containers are given one

    if address is not None:
        read_address(address, what)
    if mac is not None:
        read_mac(mac)


def _find(name: str) -> str:
    if name in (DEFAULT, "default"):
        # That network is another one after a reboot, but has the same name.
        return DEFAULT
    from runtime.cli.targets import networks  # noqa: PLC0415 - for those who name one

    return networks().find(name).id
