"""What carries packets without root: slirp4netns, a program of the user's own.

It has one end of a network interface whose other end is in a network namespace, and opens connections of this host for
what comes out of it. It ends with whoever holds the other end of its lifeline: of a container that is in the default
network alone, whose own it is, that is the container's supervisor.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM, socketpair

from runtime.container import reachable
from runtime.errors import Fault
from runtime.lean import contextmanager, from_json, suppress, to_json
from runtime.network.addresses import Subnet, mac, read_address, show_mac
from runtime.network.endpoints import Endpoint, Endpoints
from runtime.network.networks import Networks
from runtime.network.plan import DEFAULT
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from runtime.config import Config
    from runtime.network.plan import Attachment
    from runtime.network.ports import Port
    from runtime.network.sandbox import Member

#: What slirp4netns gives to every namespace: they do not see each other (slirp4netns(1), --cidr).
ADDRESS: Final = "10.0.2.100"
GATEWAY: Final = "10.0.2.2"
SUBNET: Final = Subnet(0x0A000200, 24)

_PROGRAM: Final = "slirp4netns"
_TUN: Final = "/dev/net/tun"
_OTHERWISE: Final = "or use --network none or host"
_OPTIONS: Final = (
    "--configure",
    "--mtu=65520",
    "--disable-host-loopback",
    "--enable-sandbox",
    "--enable-seccomp",
    "--netns-type=path",
)


def join(here: Config, attachment: Attachment, member: Member) -> int:
    """Put a container into the default network and no other: the network ends with the last holder of the open socket
    that is given. Raises Fault.
    """
    endpoint = Endpoint(
        network=Networks(here.home, here.state).find(DEFAULT).id,
        network_name=DEFAULT,
        bridge="",
        cable="",
        container=member.container.id,
        address=ADDRESS,
        prefix=SUBNET.prefix,
        gateway=GATEWAY,
        mac=attachment.mac or show_mac(mac(read_address(ADDRESS, "the address"))),
        names=[],
        hosts=f"{member.container.directory}/hosts",
        resolves=False,
        ports=[port.words for port in member.ports],
        exposed=list(member.exposed),
        own_names=member.own_names,
    )
    lifeline = _connect(member, endpoint.mac)
    try:
        members = Endpoints(here.state, endpoint.network)
        with members.changing():
            members.write(endpoint)
        members.tell(endpoint, [endpoint])
        endpoint.note(here.home, "connect")
    except BaseException:
        os.close(lifeline)
        raise
    return lifeline


def _connect(member: Member, address: str) -> int:
    """Give a container's namespace an interface, and let ports of this host lead to it.

    Notes and the program's socket are kept with what is there while the container runs.
    """
    folder = member.container.running
    ours, its = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        with reachable(folder) as short:
            opened = int(short.rpartition("/")[2])
            spawn(member.namespace, "eth0", its.fileno(), opened, f"--macaddress={address}")
        for port in member.ports:
            publish(port, ADDRESS, folder)
    except BaseException:
        ours.close()
        raise
    finally:
        its.close()
    return ours.detach()


def _check_tun() -> None:
    if not os.path.exists(_TUN):
        raise Fault(f"this host has no {_TUN}, which networks without root need: modprobe tun, {_OTHERWISE}")
    if not os.access(_TUN, os.R_OK | os.W_OK):
        raise Fault(f"{_TUN} is not yours to use, which networks without root need: chmod 666 {_TUN}, {_OTHERWISE}")


def spawn(namespace: int, interface: str, lifeline: int, folder: int, *options: str) -> int:
    """Start the program in an open folder, and wait until the interface is there: give its process. Raises Fault."""
    _check_tun()
    ready, tell = os.pipe()
    short = f"/proc/self/fd/{folder}"
    log = f"{short}/{_PROGRAM}.log"
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = [
        *(_PROGRAM, *_OPTIONS, *options, f"--exit-fd={lifeline}", f"--ready-fd={tell}"),
        *(f"--api-socket={short}/{_PROGRAM}", f"/proc/self/fd/{namespace}", interface),
    ]
    try:
        with _inherited(namespace, lifeline, tell, folder):
            # In a session of its own, so that keys at our terminal are not for it.
            process = os.posix_spawnp(_PROGRAM, command, os.environ, file_actions=streams, setsid=True)
    except FileNotFoundError as error:
        raise Fault(f"networks without root need {_PROGRAM}: apt install {_PROGRAM}, {_OTHERWISE}") from error
    finally:
        os.close(tell)
        done = os.read(ready, 1)
        os.close(ready)
    if not done:
        with open(log, encoding="utf-8", errors="replace") as file:
            said = file.read().split("\n")
        raise Fault(f"{_PROGRAM} could not make the container's network: {'; '.join(line for line in said if line)}")
    return process


@contextmanager
def _inherited(*files: int) -> Iterator[None]:
    for file in files:
        os.set_inheritable(file, True)
    try:
        yield
    finally:
        for file in files:
            os.set_inheritable(file, False)


def publish(port: Port, address: str, folder: str) -> None:
    """Let a port of this host lead to one of an address in the namespace. Raises Fault, and OSError if it has ended."""
    answer = _ask(
        folder,
        "add_hostfwd",
        {
            "proto": port.protocol,
            "host_addr": port.address,
            "host_port": port.host_port,
            "guest_addr": address,
            "guest_port": port.port,
        },
    )
    if "error" in answer:
        raise Fault(f"{port.outside}/{port.protocol} of this host cannot be published: {answer['error'].get('desc')}")


def withdraw(address: str, folder: str) -> None:
    """Take back what was published of an address; it is no fault if the program has ended."""
    with suppress(OSError):
        for entry in _ask(folder, "list_hostfwd", {})["entries"]:
            if entry["guest_addr"] == address:
                _ask(folder, "remove_hostfwd", {"id": entry["id"]})


def _ask(folder: str, execute: str, arguments: dict[str, Any]) -> dict[str, Any]:
    connection = Socket()
    with reachable(folder) as short, connection:
        connection.connect(f"{short}/{_PROGRAM}")
        connection.sendall(to_json({"execute": execute, "arguments": arguments}).encode())
        connection.shutdown(SHUT_WR)
        answer: dict[str, Any] = from_json(b"".join(iter(lambda: connection.recv(4096), b"")))
    return answer
