"""What those leave who are killed, and what a reboot leaves: found and put away by whichever command comes next."""

from __future__ import annotations

import os
import time

from runtime import cgroup
from runtime.container import EXITED
from runtime.errors import Damaged, Fault
from runtime.lean import contextmanager, suppress
from runtime.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.container import Container, State
    from runtime.containers import Containers

#: Seconds after which a container that another command is responsible for is looked at again.
_AGAIN = 0.02
_KILLED = 137
#: Below the state directory, once all networks have the rules that ``network.rules`` makes; goes up with them.
_RULES = "networks/rules.2"
#: What Docker gives a container that ended while nobody looked.
_UNSEEN = 255


def sweep(containers: Containers) -> None:
    """Put away every container whose supervisor has ended before it, and mend what the others have lost."""
    for container in containers.started():
        if not os.path.exists(container.directory):
            _leave_networks(containers, container)
            remove_tree(container.running)
        else:
            _put_away_if_dead(containers, container)
    if os.path.exists(f"{containers.state}/hub"):
        from runtime.network import hub  # noqa: PLC0415 - not for root

        with suppress(Fault):  # then networks are cut off, and have been so before
            hub.mend(containers.state)
    elif os.path.exists(f"{containers.state}/networks") and not os.path.exists(f"{containers.state}/{_RULES}"):
        _renew_rules(containers)


def look(containers: Containers, container: Container) -> State:
    """Read how a container fares, after putting it away if it has lost its supervisor. Raises FileNotFoundError."""
    state = container.state()
    if state.alive and _put_away_if_dead(containers, container):
        return container.state()
    return state


def hold(containers: Containers, container: Container) -> int | None:
    """Take responsibility for a container, as soon as no other command has it: give the lock; None if it runs.

    What was decided before may not be so any more. Raises FileNotFoundError if the container is gone.
    """
    while not look(containers, container).alive:
        held = container.lock()
        if held is None:
            time.sleep(_AGAIN)  # a command makes, starts, removes or copies it just now
        elif _is_idle(container):
            return held
        else:
            os.close(held)
    return None


def _is_idle(container: Container) -> bool:
    with suppress(FileNotFoundError):
        return not container.state().alive
    return False


@contextmanager
def undisturbed(containers: Containers, container: Container) -> Iterator[State]:
    """Give how a container fares, while no other command starts or removes it. Raises FileNotFoundError."""
    held = hold(containers, container)
    try:
        yield container.state()
    finally:
        if held is not None:
            os.close(held)


def remove_unfinished(containers: Containers) -> int:
    """Remove what was never made or removed to the end; give the number of these."""
    return sum(_remove_unfinished(containers, container) for container in containers.unfinished())


def _remove_unfinished(containers: Containers, container: Container) -> bool:
    held = container.lock()
    if held is None:
        return False
    from runtime.rootless import inside  # noqa: PLC0415 - rarely needed

    try:
        inside(0, lambda: containers.remove(container))
    except FileNotFoundError:
        return False
    finally:
        os.close(held)
    return True


def _renew_rules(containers: Containers) -> None:
    """Make the rules of networks anew, which another version of preg may have made."""
    from runtime.network.bridge import renew_rules  # noqa: PLC0415 - once after an upgrade
    from runtime.network.networks import Networks  # noqa: PLC0415
    from runtime.rootless import privileges  # noqa: PLC0415

    # Without root there are no rules but in a hub, which nobody on the outside can send anything to.
    if not privileges().of_host or renew_rules(Networks(containers.home, containers.state)):
        os.close(os.open(f"{containers.state}/{_RULES}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _put_away_if_dead(containers: Containers, container: Container) -> bool:
    held = container.lock()
    if held is None:
        return False
    from runtime.rootless import inside  # noqa: PLC0415 - rarely needed

    try:
        inside(_pid(container), lambda: _put_away(containers, container))
    finally:
        os.close(held)
    return True


def _pid(container: Container) -> int:
    with suppress(FileNotFoundError):
        return container.state().pid
    return 0


def _put_away(containers: Containers, container: Container) -> None:
    """End what may still run of a container that is ours now, and write down that it has ended."""
    try:
        state = container.state()
        description = container.describe()
    except FileNotFoundError:  # killed while it was made or removed
        containers.remove(container)
        _leave_networks(containers, container)
        remove_tree(container.running)
        return
    except Damaged:  # what its engine keeps is found by 'preg system check'
        description = None
    ran = _end(containers, container, description.engine) if description is not None else _end_processes(container)
    _leave_networks(containers, container)
    containers.unmount_volumes(container)
    remove_tree(container.running)
    if description is not None and description.remove:
        containers.remove(container, volumes=True)
    elif state.alive:
        code = _KILLED if ran else _UNSEEN
        error = "it was killed, having lost its supervisor" if ran else "it ended with its host, or unseen"
        ended = state._replace(status=EXITED, pid=0, exit_code=code, error=error, finished=time.time(), cut_off=True)
        container.write_state(ended)


def _leave_networks(containers: Containers, container: Container) -> None:
    from runtime.network.entries import release  # noqa: PLC0415 - rarely needed

    release(containers.home, containers.state, container.id)


def _end(containers: Containers, container: Container, engine: str) -> bool:
    """End the processes of a container and remove what its engine keeps; tell whether there was any."""
    from runtime.engine import Engine, end  # noqa: PLC0415 - rarely needed

    known = Engine(engine, containers.state)
    remains = known.remains(container.id)
    ran = os.path.exists(remains) or bool(cgroup.groups(container.group))
    if ran:
        end(known, container.id)
        _end_processes(container)  # which the engine knows no more
        remove_tree(remains)
    return ran


def _end_processes(container: Container) -> bool:
    """End whatever is in the control groups of a container; tell whether there were any."""
    found = bool(cgroup.groups(container.group))
    with suppress(OSError):
        cgroup.kill(container.group)
        cgroup.remove(container.group)
    return found
