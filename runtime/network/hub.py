"""The bridges of a user other than root: they are in a network namespace that stands for this host, the hub.

All containers of the hub run in one user namespace, to which the hub belongs. So the same code makes bridges, cables
and rules in there that makes them for root, and one slirp4netns joins the hub to the outside and publishes ports.

Nothing else runs for the hub. It is there as long as somebody holds its lifeline, a named pipe, open for writing:
supervisors of containers, and commands that are about to start some. slirp4netns has the other end, and ends with the
last of them. A shared lock on the lifeline tells whoever comes that there are others, so that the end is not near. If
slirp4netns is killed, the supervisors still hold the namespaces, and the next command starts another one.

``hub/`` below the state directory has a lock for whoever looks for the hub or makes it, the lifeline, and ``program``,
which slirp4netns has locked as long as it runs. ``program/ready`` is there when all is done that it takes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys

from runtime.errors import Fault
from runtime.kernel import join_network
from runtime.lean import NamedTuple, suppress
from runtime.lock import holding, lock, make_private
from runtime.network import slirp
from runtime.network.endpoints import endpoints_by_container
from runtime.network.namespace import UPLINK, aside, make_namespace, owner_of
from runtime.rootless import enter as enter_new
from runtime.rootless import inside as inside_namespace_of
from runtime.rootless import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from runtime.network.endpoints import Endpoint

_SYSCTL: Final = "/proc/sys/net/ipv4"
_ENDED: Final = "the networks ended just now: try again"


class Hub(NamedTuple):
    """A hub as a process holds it: open files, which a supervisor has to have as long as its container is there."""

    namespace: int
    lifeline: int

    def copy(self) -> Hub:
        """Hold it once more."""
        return Hub(os.dup(self.namespace), os.dup(self.lifeline))


#: The one that this process is in, if it is.
_entered: Final[list[Hub]] = []


def enter(state: str) -> Hub:
    """Become root in the user namespace of the hub, which is made if it is not there. Raises Fault.

    Who is root in another user namespace already cannot get there, but for its own.
    """
    if not _entered:
        folder = f"{state}/hub"
        for path in (folder, f"{folder}/program"):
            make_private(path)
        with holding(folder):
            _entered.append(_find_or_make(state, folder))
    return _entered[0]


def inside(state: str, work: Callable[[], None]) -> None:
    """Do work in the hub. Raises Fault."""
    hub = enter(state)
    if not os.path.samestat(os.fstat(hub.lifeline), os.stat(f"{state}/hub/lifeline")):
        raise Fault("the networks had to be made again, for slirp4netns was killed: try again")

    def there() -> None:
        join_network(hub.namespace)
        work()

    aside(there)


def is_there(state: str) -> bool:
    """Tell whether there is a hub."""
    return _is_joined(state) or _find_link(state) is not None


def is_cut_off(state: str) -> bool:
    """Tell whether there is a hub, and what joined it to the outside was killed."""
    return not _is_joined(state) and _find_link(state) is not None


def mend(state: str) -> None:
    """Join the hub to the outside again, if it has to be. Raises Fault."""

    def work() -> None:
        enter(state)

    link = None if _is_joined(state) else _find_link(state)
    if link is not None:
        with suppress(FileNotFoundError):  # its last container has ended just now
            inside_namespace_of(owner_of(link), work)


def publish(state: str, endpoint: Endpoint) -> None:
    """Let ports of this host lead to a container. Raises Fault."""
    try:
        for port in endpoint.published:
            slirp.publish(port, endpoint.address, f"{state}/hub/program")
    except OSError as error:
        raise Fault("no port can be published, for slirp4netns was killed just now: try again") from error


def _is_joined(state: str) -> bool:
    """Tell whether slirp4netns has its end of the lifeline, and all that it is to publish."""
    lifeline = _open(f"{state}/hub")
    if lifeline is None:
        return False
    os.close(lifeline)
    return os.path.exists(f"{state}/hub/program/ready")


def _open(folder: str) -> int | None:
    """Open the lifeline for writing; None if slirp4netns does not have its end."""
    try:
        return os.open(f"{folder}/lifeline", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENXIO):
            raise
        return None


def _hold(folder: str) -> int | None:
    """Hold the lifeline, if slirp4netns is there and shall stay."""
    lifeline = _open(folder)
    if lifeline is None:
        return None
    try:
        fcntl.flock(lifeline, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(lifeline, fcntl.LOCK_SH)
        return lifeline
    # Nobody else held it when we opened it, so slirp4netns may be about to end.
    os.close(lifeline)
    return None


def _find_or_make(state: str, folder: str) -> Hub:
    lifeline = _hold(folder)
    if lifeline is None:
        hub = _make(state, folder)
    else:
        link = _find_link(state)
        if link is None:
            raise Fault(_ENDED)
        hub = Hub(_join(link), lifeline)
    ready = f"{folder}/program/ready"
    if not os.path.exists(ready):
        aside(lambda: _answer_for_containers(hub.namespace))
        _publish_all(state)
        os.close(os.open(ready, os.O_WRONLY | os.O_CREAT, 0o600))
    return hub


def _make(state: str, folder: str) -> Hub:
    """Make a hub, or find the one whose slirp4netns was killed, and start another."""
    # One whose last container has ended has our addresses and ports until it has ended, too.
    program = lock(f"{folder}/program", wait=True)
    if program is None:
        raise Fault(f"{folder}/program was removed just now")
    try:
        link = _find_link(state)
        if link is not None:
            return _connect(folder, program, _join(link))
        with suppress(FileNotFoundError):
            os.unlink(f"{folder}/lifeline")
        os.mkfifo(f"{folder}/lifeline", 0o600)
        enter_new()
        return _connect(folder, program, make_namespace())
    finally:
        os.close(program)


def _connect(folder: str, program: int, namespace: int) -> Hub:
    """Start slirp4netns, with the lock of its folder."""
    for name in ("ready", "namespace", "slirp4netns", "slirp4netns.log"):
        with suppress(FileNotFoundError):
            os.unlink(f"{folder}/program/{name}")
    reads = os.open(f"{folder}/lifeline", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        lifeline = os.open(f"{folder}/lifeline", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.flock(lifeline, fcntl.LOCK_SH)
        process = slirp.spawn(namespace, UPLINK, reads, program)
    finally:
        os.close(reads)
    os.symlink(f"/proc/{process}/fd/{namespace}", f"{folder}/program/namespace")
    return Hub(namespace, lifeline)


def _answer_for_containers(namespace: int) -> None:
    """Have the hub take what slirp4netns sends to the addresses of containers (proxy ARP)."""
    join_network(namespace)
    _write(f"{_SYSCTL}/conf/{UPLINK}/proxy_arp", "1")
    # An older kernel keeps the delay from users, who then wait up to 0.8 s for the first answer of a port.
    with suppress(OSError):
        _write(f"{_SYSCTL}/neigh/{UPLINK}/proxy_delay", "0")


def _write(path: str, value: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def _publish_all(state: str) -> None:
    """Publish what containers publish that are in the hub already."""
    for endpoints in endpoints_by_container(state).values():
        for endpoint in endpoints:
            if endpoint.hub and endpoint.ports:
                slirp.withdraw(endpoint.address, f"{state}/hub/program")
                try:
                    publish(state, endpoint)
                except Fault as fault:  # somebody else has the port now
                    sys.stderr.write(f"preg: warning: {fault}\n")


def _find_link(state: str) -> str | None:
    """Find a link to the hub that leads there: that of slirp4netns, or of a supervisor."""
    links = [f"{state}/hub/program/namespace"]
    with suppress(FileNotFoundError):
        links += [f"{state}/containers/{name}/hub" for name in os.listdir(f"{state}/containers")]
    for link in links:
        with suppress(OSError):
            if os.readlink(os.readlink(link)).startswith("net:"):
                return link
    return None


def _join(link: str) -> int:
    """Become root in the user namespace of a process, and open the network namespace that it has open."""
    try:
        process = owner_of(link)
        namespace = os.open(link, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Fault(_ENDED) from error
    if os.geteuid() != 0 and not join(process):
        raise Fault(_ENDED)
    return namespace
