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
    from collections.abc import Callable
    from typing import Final, TypeVar

    from runtime.container import Container

    T = TypeVar("T")

#: The interface by which a hub reaches the outside; where root's bridges are there is none.
UPLINK: Final = "tap0"

#: Of linux/sockios.h.
_SET_FLAGS: Final = 0x8914
_UP: Final = 1
#: What an ifreq begins with (netdevice(7)), and its size.
_NAME: Final = 16
_REQUEST: Final = 40


def make_namespace() -> int:
    """Make a network namespace in which loopback is up, and give an open file of it."""
    if not privileges().of_host:
        try:
            return aside(_make_here)
        except OSError as error:
            raise Fault(f"the container's network namespace could not be made ({error.strerror})") from error
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
    except PermissionError as error:
        raise Fault(
            f"the network of the container {container.short_id} cannot be shared by all that is to be started: start"
            " what shares it by itself"
        ) from error


def owner_of(link: str) -> int:
    """Give the process whose open file a link leads to. Raises FileNotFoundError."""
    return int(os.readlink(link).split("/")[2])


def among_bridges(state: str, work: Callable[[], None], *, make: bool = True) -> None:
    """Do work where the bridges are: here, or in the hub of who is not the host's root.

    Without ``make`` nothing is done if there is no hub.
    """
    if privileges().of_host:
        work()
        return
    from runtime.network import hub  # noqa: PLC0415 - not for root

    if make or hub.is_there(state):
        hub.inside(state, work)


def aside(work: Callable[[], T]) -> T:
    """Have a thread do it, which goes to another network namespace: who is not the host's root does not get back."""
    import _thread  # noqa: PLC0415 - not for root

    done: list[T] = []
    failed: list[BaseException] = []
    working = _thread.allocate_lock()

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)
        finally:
            working.release()

    working.acquire()
    _thread.start_new_thread(run, ())
    with working:
        for error in failed:
            raise error
        return done[0]


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
