"""Ending containers, and waiting for their end."""

from __future__ import annotations

import os
import time

from runtime import cgroup
from runtime import frames as f
from runtime.attach import visit
from runtime.errors import Fault
from runtime.lean import NamedTuple, signal, suppress
from runtime.leftovers import hold, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from runtime.attach import Session
    from runtime.container import Container, Description
    from runtime.containers import Containers

_AGAIN: Final = 0.02


class Terms(NamedTuple):
    """How a container is to end; None leaves it to the container."""

    seconds: int | None = None
    """It is killed if it has not ended by then; -1 is never."""
    number: int | None = None
    """The signal that it is sent."""

    def encode(self, description: Description) -> bytes:
        """Write them as a supervisor reads them."""
        return b"%d %d" % (
            description.stop_signal if self.number is None else self.number,
            description.stop_timeout if self.seconds is None else self.seconds,
        )


def reach(containers: Containers, container: Container) -> Session | None:
    """Connect to a container's supervisor, which may be about to start it; None if the container does not run.

    Raises FileNotFoundError if it is gone.
    """
    while True:
        session = visit(container)
        if session is not None:
            return session
        if not look(containers, container).alive:
            held = container.lock()
            if held is not None:
                os.close(held)
                return None
        time.sleep(_AGAIN)  # its supervisor is about to come or to go


def stop(containers: Containers, container: Container, terms: Terms) -> Callable[[], object]:
    """Ask a container to end: return what waits for its end. It is no fault if it does not run."""
    return _ask(containers, container, f.STOP, terms.encode(container.describe()))


def kill(containers: Containers, container: Container, number: int) -> Callable[[], object]:
    """Send a container a signal: return what waits for its end if that cannot be refused. Raises Fault."""
    session = reach(containers, container)
    if session is None or session.ask(f.SIGNAL, b"%d" % number)[0] not in (f.DONE, f.EXIT):
        name = container.describe().name
        raise Fault(f"the container {name} is not running, so there is nothing to send a signal to")
    session.connection.close()
    return _ask(containers, container, f.WAIT) if number == signal.SIGKILL else lambda: None


def restart(containers: Containers, container: Container, terms: Terms) -> bool:
    """End a container as ``stop`` does and start it again; False if it does not run. Raises Fault."""
    session = reach(containers, container)
    if session is None:
        return False
    description = container.describe()
    kind, content = session.ask(f.RESTART, terms.encode(description))
    session.connection.close()
    if kind == f.FAILED:
        from runtime.engine import read_failure  # noqa: PLC0415 - slow, and only for what fails

        raise read_failure(content, os.path.basename(description.engine))
    return kind == f.STARTED


def freeze(containers: Containers, container: Container, *, frozen: bool) -> None:
    """Stop all processes of a container where they are, or let them go on. Raises Fault."""
    session = reach(containers, container)
    kind, content = (0, b"") if session is None else session.ask(f.FREEZE, b"%d" % frozen)
    if session is not None:
        session.connection.close()
    if kind != f.DONE:
        raise Fault(f"the container {container.describe().name} {content.decode() or 'is not running'}")
    if frozen:
        cgroup.wait_until_still(container.group)


def wait(containers: Containers, container: Container) -> int:
    """Wait until a container ends, and give its exit status; at once if it does not run."""
    code = _ask(containers, container, f.WAIT)()
    return container.state().exit_code if code is None else code


def remove(containers: Containers, container: Container, *, force: bool, volumes: bool) -> Callable[[], None]:
    """Return what removes a container, with ``volumes`` also those that have no name.

    It raises Fault if the container runs, unless that is ended by ``force``, also where it is only about to start.
    """
    ended = _end_at_once(container) if force else None

    def remove_it() -> None:
        try:
            held = hold(containers, container) if ended is None else _hold_by_force(containers, container, ended)
        except FileNotFoundError:
            return  # because of --rm, or another command
        if held is None:
            name = container.describe().name
            raise Fault(f"the container {name} is running: stop it first, or remove it with --force")
        try:
            containers.remove(container, volumes=volumes)
            container.unregister()
        finally:
            os.close(held)

    return remove_it


def _hold_by_force(containers: Containers, container: Container, ended: Callable[[], object]) -> int:
    """Take responsibility for a container that is being ended, and end it again if it is started meanwhile."""
    while True:
        ended()
        if not look(containers, container).alive:
            held = container.lock()
            if held is not None:
                return held
        time.sleep(_AGAIN)
        ended = _end_at_once(container)


def _end_at_once(container: Container) -> Callable[[], object]:
    """Kill a container, or break off its start: return what waits for its end."""
    session = visit(container)
    if session is None:
        return lambda: None
    with suppress(OSError):
        session.send(f.STOP, b"9 -1")
    return session.until_closed


def _ask(containers: Containers, container: Container, kind: int, content: bytes = b"") -> Callable[[], int | None]:
    """Ask a supervisor for something: return what waits for the container's exit status, None if it does not run."""
    session = reach(containers, container)
    if session is None:
        return lambda: None
    with suppress(OSError):
        session.send(kind, content)

    def wait_for_end() -> int | None:
        try:
            return session.wait()
        except Fault:
            # It ended while we asked, or its supervisor did.
            with suppress(FileNotFoundError):
                return _ask(containers, container, kind, content)()
            return None
        finally:
            session.connection.close()

    return wait_for_end
