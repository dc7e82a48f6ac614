"""Published ports: how they are kept from others on this host.

The kernel leads what comes for a published port to the container. A socket that listens there, and gets nothing, keeps
the port from everybody else while the container runs.
"""

from __future__ import annotations

import errno
import os
from _socket import AF_INET, SO_REUSEADDR, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, socket

from runtime.errors import Fault
from runtime.network.ports import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.network.ports import Publish


def reserve(wanted: Iterable[Publish], default: str) -> tuple[list[Port], list[int]]:
    """Take the ports of the host: give them, and the open sockets that hold them. Raises Fault if one is in use.

    Those that name no address are taken at the default one.
    """
    ports, held = [], list[int]()
    try:
        for asked in wanted:
            publish = asked._replace(address=asked.address or default)
            bound = _bind(publish)
            ports.append(Port(publish.address, bound.getsockname()[1], publish.port, publish.protocol))
            held.append(bound.detach())
    except BaseException:
        for file in held:
            os.close(file)
        raise
    return ports, held


def _bind(publish: Publish) -> socket:
    for number in range(publish.first, publish.last + 1):
        try:
            return _listen(publish, number)
        except OSError as error:
            reason = error
            if error.errno != errno.EADDRINUSE:
                break
    ports = f"{publish.first}" if publish.first == publish.last else f"{publish.first}-{publish.last}"
    where = f"{publish.address}:{ports}/{publish.protocol}"
    if reason.errno == errno.EADDRINUSE:
        raise Fault(f"port is already allocated: {where} of this host is in use, so end what uses it or take another")
    if reason.errno == errno.EACCES:
        cure = f"take a higher one, or sysctl net.ipv4.ip_unprivileged_port_start={publish.first}"
        raise Fault(f"{where} of this host cannot be published, for low ports are root's: {cure}") from reason
    raise Fault(f"{where} of this host cannot be published: {os.strerror(reason.errno or 0)}") from reason


def _listen(publish: Publish, number: int) -> socket:
    tcp = publish.protocol == "tcp"
    held = socket(AF_INET, (SOCK_STREAM if tcp else SOCK_DGRAM) | SOCK_CLOEXEC)
    try:
        if tcp:  # or connections that have just ended would keep the port from us
            held.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        held.bind((publish.address, number))
        if tcp:
            held.listen(1)
    except OSError:
        held.close()
        raise
    return held
