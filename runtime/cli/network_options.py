"""The networks that a container is to be in, and the ports that are to be published."""

from __future__ import annotations

import sys

from runtime.errors import UsageError
from runtime.lean import NamedTuple
from runtime.network.plan import DEFAULT, HOST, NONE, SHARED, Attachment, Plan, read_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from runtime.cli.options import Options
    from runtime.create import Wanted

#: What Docker refuses beside a network that is not the container's own, and why.
_OF_OTHER: Final = "is the other container's"
_REFUSED: Final = {
    SHARED: {
        "--hostname": f"the host name {_OF_OTHER}",
        "--dns": f"/etc/resolv.conf {_OF_OTHER}",
        "--add-host": f"/etc/hosts {_OF_OTHER}",
        "--publish": "publish ports with the other container",
        "--publish-all": "publish ports with the other container",
        "--expose": "expose ports with the other container",
        "--link": f"/etc/hosts {_OF_OTHER}",
    },
    HOST: {"--link": "/etc/hosts is this host's"},
    NONE: {},
}
_OF_AN_INTERFACE: Final = ("--network-alias", "--ip", "--mac-address")


class Named(NamedTuple):
    """What ``--network`` says."""

    name: str
    aliases: Sequence[str] = ()
    address: str = ""
    mac: str = ""
    priority: int = 0


def ask_network(options: Options, wanted: Wanted) -> Wanted:
    """Add to what is wanted what the options say.

    Raises UsageError, and Fault if there is no such network or container.
    """
    named = [_read_network(text) for text in options.all("--network")] or [Named(DEFAULT)]
    kind, _, name = named[0].name.partition(":")
    if options.last("--ip6"):
        raise UsageError("--ip6: networks have IPv4 addresses only for now")
    if kind not in _REFUSED:
        attachments = _attach(named, options)
        return wanted._replace(network=_read_ports(options)._replace(attachments=attachments))
    _check_alone(kind, named, options)
    read_links(options.all("--link"))  # which no network can make true, but they have to be somebody's
    plan = _read_ports(options)
    return wanted._replace(network=_share(plan, name) if kind == SHARED else plan._replace(kind=kind))


def read_links(texts: Sequence[str]) -> list[str]:
    """Read ``CONTAINER[:ALIAS]`` as plans keep it. Raises UsageError, and Fault if there is no such container."""
    links: list[str] = []
    if not texts:
        return links
    from runtime.cli.targets import here  # noqa: PLC0415 - for those who name a container

    for text in texts:
        name, colon, alias = text.removeprefix("/").partition(":")
        if not name or (colon and not alias) or ":" in alias:
            raise UsageError(f"--link {text!r}: it is CONTAINER[:ALIAS]")
        links.append(f"{here().find(name).id}:{alias or name}")
    return links


def check_default(aliases: Sequence[str], address: str) -> None:
    """Raise UsageError if more is asked of the default network than it has."""
    if aliases:
        raise UsageError(
            "network-scoped aliases are for networks of 'preg network create': the default one has no names"
        )
    if address:
        raise UsageError("an IP address is chosen in networks of 'preg network create', not in the default one")


def _read_ports(options: Options) -> Plan:
    publish, expose = options.all("--publish"), options.all("--expose")
    if not publish and not expose:
        return Plan(publish_all="--publish-all" in options)
    from runtime.network.ports import read_exposed, read_publish  # noqa: PLC0415 - for those who name some

    exposed = [f"{each.port}/{each.protocol}" for text in publish for each in read_publish(text)]
    exposed += [port for text in expose for port in read_exposed(text, f"--expose {text!r}")]
    return Plan(publish=publish, publish_all="--publish-all" in options, exposed=list(dict.fromkeys(exposed)))


def _check_alone(kind: str, named: list[Named], options: Options) -> None:
    """Raise UsageError if anything is asked of a network that is not the container's own."""
    if len(named) > 1:
        raise UsageError(f"conflicting options: --network {kind} excludes any other network")
    given = [option for option in _OF_AN_INTERFACE if options.all(option)]
    if named[0] != Named(named[0].name):
        given.append(f"--network name={named[0].name},...")
    for option in given:
        raise UsageError(f"conflicting options: {option} is for a network of one's own, and --network is {kind}")
    for option, reason in _REFUSED[kind].items():
        if option in options if option == "--publish-all" else any(options.all(option)):
            raise UsageError(f"conflicting options: {option} and --network {named[0].name}: {reason}")
    if kind == HOST and options.all("--publish"):
        sys.stderr.write("preg: -p does nothing with --network host: the ports are the host's already\n")


def _share(plan: Plan, name: str) -> Plan:
    if not name:
        raise UsageError("--network container: names no container: it is container:NAME")
    from runtime.cli.targets import here  # noqa: PLC0415 - for those who name a container

    other = here().find(name)
    of_other = read_plan(other.directory)
    if of_other.kind in (HOST, SHARED):
        return plan._replace(kind=of_other.kind, container=of_other.container)
    return plan._replace(kind=SHARED, container=other.id)


def _attach(named: list[Named], options: Options) -> list[Attachment]:
    first = _add_options(named[0], options)
    attachments = [
        Attachment(_find(each), each.aliases, each.address, each.mac, each.priority) for each in (first, *named[1:])
    ]
    if len({attachment.network for attachment in attachments}) < len(attachments):
        raise UsageError("--network names a network twice")
    if options.all("--link"):
        attachments[0] = attachments[0]._replace(links=read_links(options.all("--link")))
    return attachments


def _add_options(named: Named, options: Options) -> Named:
    """Add what other options say of the first network, each said once. Raises UsageError."""
    said = (
        ("--network-alias", "alias", named.aliases, options.all("--network-alias")),
        ("--ip", "ip", named.address, options.last("--ip")),
        ("--mac-address", "mac-address", named.mac, options.last("--mac-address")),
    )
    for option, key, here, there in said:
        if here and there:
            raise UsageError(f"conflicting options: {option} and --network {key}=: say one of them")
    added = Named(
        named.name,
        named.aliases or options.all("--network-alias"),
        named.address or options.last("--ip") or "",
        named.mac or options.last("--mac-address") or "",
        named.priority,
    )
    _check_addresses(added)
    return added


def _read_network(text: str) -> Named:
    """Read a network's name, or Docker's ``name=NETWORK,alias=NAME,ip=ADDRESS,...``. Raises UsageError."""
    what = f"--network {text!r}"
    if "=" not in text:
        if not text:
            raise UsageError(f"{what}: it names no network")
        return Named(text)
    aliases, found = list[str](), dict[str, str]()
    for item in text.split(","):
        key, _, value = item.partition("=")
        if key == "alias":
            aliases.append(value)
        elif key in ("name", "ip", "mac-address", "gw-priority"):
            found[key] = value
        else:
            raise UsageError(f"{what}: it has name, alias, ip, mac-address and gw-priority, not {key!r}")
    if not found.get("name"):
        raise UsageError(f"{what}: it says no name=NETWORK")
    priority = read_priority(found.get("gw-priority", "0"), f"{what}: gw-priority")
    named = Named(found["name"], tuple(aliases), found.get("ip", ""), found.get("mac-address", ""), priority)
    _check_addresses(named)
    return named


def read_priority(text: str, what: str) -> int:
    """Read which network is to have the default route. Raises UsageError."""
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{what}: it is a number, not {text!r}") from error


def _check_addresses(named: Named) -> None:
    if not named.address and not named.mac:
        return
    from runtime.network.addresses import read_address, read_mac  # noqa: PLC0415 - most containers are given one

    if named.address:
        read_address(named.address, "--ip")
    if named.mac:
        read_mac(named.mac)


def _find(named: Named) -> str:
    if named.name in (DEFAULT, "default"):
        check_default(named.aliases, named.address)
        # That network is another one after a reboot, but has the same name.
        return DEFAULT
    from runtime.cli.targets import networks  # noqa: PLC0415 - for those who name one

    return networks().find(named.name).id
