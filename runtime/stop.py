"""Ending containers, and waiting for their end."""

from __future__ import annotations

import os

from runtime import cgroup
from runtime import frames as f
from runtime.attach import visit
from runtime.container import RUNNING
from runtime.errors import Fault
from runtime.lean import signal, suppress
from runtime.leftovers import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container import Container, Description
    from runtime.containers import Containers


def stop(containers: Containers, container: Container, seconds: int | None) -> None:
    """Ask a container to end, kill it if it has not after so many seconds (-1: wait for ever), and wait for its end.

    None leaves the seconds to the container. It is no fault if it does not run.
    """
    _ask(containers, container, f.frame(f.STOP, _terms(container.describe(), seconds)))


def kill(containers: Containers, container: Container, number: int) -> None:
    """Send a container a signal, and wait for its end if that cannot be refused. Raises Fault if it does not run."""
    name = container.describe().name
    session = visit(container) if look(containers, container).status == RUNNING else None
    if session is None:
        raise Fault(f"the container {name} is not running, so there is nothing to send a signal to")
    if number == signal.SIGKILL:
        session.send(f.WAIT)
    session.send(f.SIGNAL, b"%d" % number)
    if number == signal.SIGKILL:
        session.wait()


def restart(containers: Containers, container: Container, seconds: int | None) -> bool:
    """End a container as ``stop`` does and start it again; False if it does not run. Raises Fault."""
    session = visit(container) if look(containers, container).alive else None
    if session is None:
        return False
    description = container.describe()
    session.send(f.RESTART, _terms(description, seconds))
    kind, content = session.next()
    session.connection.close()
    if kind == f.FAILED:
        from runtime.engine import read_failure  # noqa: PLC0415 - slow, and only for what fails

        raise read_failure(content, os.path.basename(description.engine))
    return kind == f.STARTED


def _terms(description: Description, seconds: int | None) -> bytes:
    """Say by which signal a container is to end, and in how many seconds."""
    return b"%d %d" % (description.stop_signal, description.stop_timeout if seconds is None else seconds)


def freeze(containers: Containers, container: Container, *, frozen: bool) -> None:
    """Stop all processes of a container where they are, or let them go on. Raises Fault."""
    name = container.describe().name
    if look(containers, container).status != RUNNING:
        raise Fault(f"the container {name} is not running")
    if cgroup.is_frozen(container.id) == frozen:
        raise Fault(f"the container {name} is {'paused already' if frozen else 'not paused'}")
    if not cgroup.set_frozen(container.id, frozen=frozen):
        raise Fault(f"the container {name} cannot be paused: this host has no control group to do it with")
    if frozen:
        cgroup.wait_until_still(container.id)
    containers.note(container, "pause" if frozen else "unpause")


def wait(containers: Containers, container: Container) -> int:
    """Wait until a container ends, and give its exit status; at once if it does not run."""
    code = _ask(containers, container, f.frame(f.WAIT))
    return container.state().exit_code if code is None else code


def remove(containers: Containers, container: Container, *, force: bool, volumes: bool) -> None:
    """Remove a container, with ``volumes`` also those that have no name.

    Raises Fault if it runs, unless that is to be ended by ``force``.
    """
    state = look(containers, container)
    if state.alive:
        if not force:
            raise Fault(
                f"the container {container.describe().name} is running: stop it first, or remove it with --force"
            )
        _ask(containers, container, f.frame(f.STOP, b"9 -1"))
    held = container.wait_for_lock()
    if held is not None:  # or it is gone already, because of --rm or of somebody else
        try:
            if container.state().alive:
                raise Fault(f"the container {container.describe().name} was started again just now")
            containers.remove(container, volumes=volumes)
            container.unregister()
        finally:
            os.close(held)


def _ask(containers: Containers, container: Container, request: bytes) -> int | None:
    """Ask a supervisor for something that it answers when the container ends; None if the container does not run."""
    session = visit(container) if look(containers, container).alive else None
    if session is None:
        return None
    try:
        session.connection.sendall(request)
        return session.wait()
    except (Fault, OSError):
        # Either it ended while we asked, or its supervisor has.
        with suppress(FileNotFoundError):
            if look(containers, container).alive:
                raise
        return None
