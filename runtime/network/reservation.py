"""Published ports: how they are kept from others on this host.

The kernel leads what comes for a published port to the container. A socket that listens there, and gets nothing, keeps
the port from everybody else while the container runs.
"""

from __future__ import annotations

import errno
import os
import socket

from runtime.errors import Fault
from runtime.network.ports import Port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.network.ports import Publish


def reserve(wanted: Iterable[Publish]) -> tuple[list[Port], list[socket.socket]]:
    """Take the ports of the host: give them, and the sockets that hold them. Raises Fault if one is in use."""
    ports, sockets = [], list[socket.socket]()
    try:
        for publish in wanted:
            sockets.append(_bind(publish))
            number = sockets[-1].getsockname()[1]
            ports.append(Port(publish.address, number, publish.port, publish.protocol))
    except BaseException:
        for held in sockets:
            held.close()
        raise
    return ports, sockets


def _bind(publish: Publish) -> socket.socket:
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


def _listen(publish: Publish, number: int) -> socket.socket:
    tcp = publish.protocol == "tcp"
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    try:
        if tcp:  # or connections that have just ended would keep the port from us
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((publish.address, number))
        if tcp:
            held.listen(1)
    except OSError:
        held.close()
        raise
    return held
