"""Changing what a container may use of the host, and when it is started again, while it runs or before it does."""

from __future__ import annotations

import os

from runtime import cgroup
from runtime.bundle import Wishes
from runtime.engine import Engine
from runtime.errors import Fault
from runtime.isolation import check_limits
from runtime.lean import NamedTuple, from_json, to_json
from runtime.leftovers import undisturbed
from runtime.record import plain, read, write_text
from runtime.rootless import enter, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runtime.container import Container, Description, Restart
    from runtime.containers import Containers
    from runtime.resources import Resources


class Update(NamedTuple):
    """What is to change."""

    change: Callable[[Resources], Resources]
    """Gives the limits that a container shall have in place of those that it has. May raise Fault."""
    restart: Restart | None


def update(containers: Containers, container: Container, wanted: Update) -> None:
    """Change a container. Raises Fault, and changes nothing then."""
    with undisturbed(containers, container) as state:
        description = container.describe()
        if description.remove and wanted.restart is not None and wanted.restart.policy != "no":
            raise Fault(f"{description.name} was made with --rm: what is removed at its end cannot be started again")
        wishes = read(Wishes, description.wishes)
        changed = wishes._replace(resources=wanted.change(wishes.resources))
        if changed != wishes:
            engine = Engine(description.engine, containers.state)
            check_limits(changed)
            if state.alive:
                _apply(container, engine, changed.resources, state.pid)
        containers.redescribe(container, lambda known: _describe(known, changed, wanted.restart))
    containers.note(container, "update")


def _describe(known: Description, wishes: Wishes, restart: Restart | None) -> Description:
    return known._replace(wishes=plain(wishes), restart=restart or known.restart)


def _apply(container: Container, engine: Engine, resources: Resources, pid: int) -> None:
    """Set the limits of a container that runs, and those that it gets when its supervisor starts it again."""
    path = f"{container.directory}/config.json"
    with open(path, encoding="utf-8") as file:
        bundle = from_json(file.read())
    limits = bundle["linux"].setdefault("resources", {})
    for name, values in resources.render(swap=bool(resources.memory) and cgroup.counts_swap()).items():
        limits.setdefault(name, {}).update(values)
    lifted = resources.pids_limit <= 0 and limits.pop("pids", None) is not None
    if pid:  # not while it waits to be started again
        if lifted:  # which crun cannot
            cgroup.lift_pids_limit(container.group)
        asked = {name: values for name, values in limits.items() if name != "devices"}
        inside(pid, lambda: _have_set(engine, container, asked, pid))
    new = f"{path}.{os.getpid()}"
    write_text(new, to_json(bundle))
    os.rename(new, path)


def _have_set(engine: Engine, container: Container, limits: dict[str, Any], pid: int) -> None:
    enter(pid)
    asked = f"{container.directory}/limits.{os.getpid()}"
    write_text(asked, to_json(limits))
    try:
        engine.update(container.id, asked)
    finally:
        os.unlink(asked)
