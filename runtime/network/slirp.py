"""The network of a container without root: slirp4netns, a program of the user's own, carries its packets.

It has the container's end of a network interface, and opens connections of this host for what comes out of it. It ends
with whoever holds the socket that ``join`` gives, which is the container's supervisor.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM, socketpair

from runtime.container import reachable
from runtime.errors import Fault
from runtime.lean import contextmanager, from_json, to_json
from runtime.network.addresses import mac, read_address, show_mac
from runtime.network.endpoints import Endpoint, Endpoints
from runtime.network.networks import ROOTS_OWN, Networks
from runtime.network.plan import DEFAULT
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

    from runtime.config import Config
    from runtime.network.plan import Attachment
    from runtime.network.ports import Port
    from runtime.network.sandbox import Member

#: What slirp4netns gives to every container: they do not see each other (slirp4netns(1), --cidr).
ADDRESS: Final = "10.0.2.100"
GATEWAY: Final = "10.0.2.2"
PREFIX: Final = 24

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


def join(here: Config, attachments: Sequence[Attachment], member: Member) -> int:
    """Put a container into the default network, which is the only one: the network ends with the last holder of the
    open socket that is given. Raises Fault.
    """
    (attachment, *others) = attachments
    if others or attachment.network != DEFAULT:
        raise Fault(ROOTS_OWN)
    endpoint = Endpoint(
        network=Networks(here.home, here.state).find(DEFAULT).id,
        network_name=DEFAULT,
        bridge="",
        cable="",
        container=member.container.id,
        address=ADDRESS,
        prefix=PREFIX,
        gateway=GATEWAY,
        mac=attachment.mac or show_mac(mac(read_address(ADDRESS, "the address"))),
        names=[member.host_name],
        hosts=f"{member.container.directory}/hosts",
        resolves=False,
        ports=[port.words for port in member.ports],
        exposed=list(member.exposed),
    )
    lifeline = _connect(member, endpoint.mac)
    try:
        members = Endpoints(here.state, endpoint.network)
        with members.changing():
            members.write(endpoint)
        members.tell(endpoint, [endpoint.line])
    except BaseException:
        os.close(lifeline)
        raise
    return lifeline


def _connect(member: Member, address: str) -> int:
    """Give a container's namespace an interface, and let ports of this host lead to it.

    Notes and the program's socket are kept with what is there while the container runs.
    """
    _check_tun()
    folder = member.container.running
    ours, its = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        with reachable(folder) as short:
            _spawn(member.namespace, its.fileno(), address, folder, short)
            for port in member.ports:
                _publish(port, f"{short}/{_PROGRAM}")
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


def _spawn(namespace: int, lifeline: int, address: str, folder: str, short: str) -> None:
    """Start the program, and wait until the interface is there."""
    ready, tell = os.pipe()
    log = f"{folder}/{_PROGRAM}.log"
    opened = int(short.rpartition("/")[2])
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = [
        *(_PROGRAM, *_OPTIONS, f"--exit-fd={lifeline}", f"--ready-fd={tell}", f"--macaddress={address}"),
        *(f"--api-socket={short}/{_PROGRAM}", f"/proc/self/fd/{namespace}", "eth0"),
    ]
    try:
        with _inherited(namespace, lifeline, tell, opened):
            # In a session of its own, so that keys at our terminal are not for it.
            os.posix_spawnp(_PROGRAM, command, os.environ, file_actions=streams, setsid=True)
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


@contextmanager
def _inherited(*files: int) -> Iterator[None]:
    for file in files:
        os.set_inheritable(file, True)
    try:
        yield
    finally:
        for file in files:
            os.set_inheritable(file, False)


def _publish(port: Port, path: str) -> None:
    wanted = {
        "proto": port.protocol,
        "host_addr": port.address,
        "host_port": port.host_port,
        "guest_addr": ADDRESS,
        "guest_port": port.port,
    }
    connection = Socket()
    connection.connect(path)
    connection.sendall(to_json({"execute": "add_hostfwd", "arguments": wanted}).encode())
    connection.shutdown(SHUT_WR)
    answer = from_json(b"".join(iter(lambda: connection.recv(4096), b"")))
    connection.close()
    if "error" in answer:
        raise Fault(f"{port.outside}/{port.protocol} of this host cannot be published: {answer['error'].get('desc')}")
