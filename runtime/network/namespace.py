"""Network namespaces: how a container's is made, and found again."""

from __future__ import annotations

import os
import sys
from fcntl import ioctl

from runtime.errors import Fault
from runtime.kernel import join_network, unshare_network
from runtime.lean import suppress
from runtime.rootless import privileges
from runtime.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from runtime.container import Container

#: Of linux/sockios.h.
_SET_FLAGS: Final = 0x8914
_UP: Final = 1
#: What an ifreq begins with (netdevice(7)), and its size.
_NAME: Final = 16
_REQUEST: Final = 40


def make_namespace() -> int:
    """Make a network namespace in which loopback is up, and give an open file of it."""
    if not privileges().of_host:
        return _make_aside()
    ours = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _make_here()
    finally:
        join_network(ours)
        os.close(ours)


def namespace_of(container: Container) -> int:
    """Open the network namespace of a container that runs. Raises Fault."""
    try:
        return os.open(f"{container.running}/netns", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Fault(f"the container {container.short_id} does not run, so nothing can be plugged into it") from error


def _make_aside() -> int:
    """Have a thread make it: who is not the host's root does not get back into the host's."""
    import _thread  # noqa: PLC0415 - not for root

    made: list[int | OSError] = []
    working = _thread.allocate_lock()

    def work() -> None:
        try:
            made.append(_make_here())
        except OSError as error:
            made.append(error)
        finally:
            working.release()

    working.acquire()
    _thread.start_new_thread(work, ())
    with working:
        (result,) = made
    if isinstance(result, OSError):
        raise Fault(f"the container's network namespace could not be made ({result.strerror})") from result
    return result


def _make_here() -> int:
    unshare_network()
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with suppress(OSError), open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="utf-8") as file:
        file.write("1")  # of interfaces to come: networks have IPv4 only
    _switch_on(b"lo")
    return namespace


def _switch_on(interface: bytes) -> None:
    """Have an interface of the namespace that we are in be up."""
    request = interface.ljust(_NAME, b"\0") + _UP.to_bytes(2, sys.byteorder)
    anything = Socket()
    ioctl(anything, _SET_FLAGS, request.ljust(_REQUEST, b"\0"))
    anything.close()
