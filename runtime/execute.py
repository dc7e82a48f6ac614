"""Running one more process in a container that runs."""

from __future__ import annotations

import os

from runtime import frames as f
from runtime.attach import visit
from runtime.container import RUNNING
from runtime.errors import CommandNotExecutable, Fault
from runtime.lean import NamedTuple, from_json
from runtime.leftovers import undisturbed
from runtime.record import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from runtime.attach import Session
    from runtime.container import Container
    from runtime.containers import Containers
    from runtime.manner import Pipes


class Execution(NamedTuple):
    """What is to be run, and how; None and empty leave it to the container."""

    command: list[str]
    environment: Sequence[str] = ()
    user: str | None = None
    working_dir: str | None = None
    terminal: bool = False
    size: tuple[int, int] | None = None
    """The terminal's rows and columns."""
    stdin: bool = False
    privileged: bool = False


def execute(containers: Containers, container: Container, wanted: Execution, pipes: Pipes) -> Session:
    """Have a process started, its streams connected with the pipes: give the session with it. Raises Fault."""
    with undisturbed(containers, container) as state:
        name = container.describe().name
    if state.status != RUNNING:
        raise Fault(f"the container {name} is not running: start it first")
    with open(f"{container.directory}/config.json", encoding="utf-8") as file:
        process = describe(from_json(file.read())["process"], wanted, f"/proc/{state.pid}/root")
    _check_command(process, f"/proc/{state.pid}/root")
    order = encode({"process": process, "stdin": wanted.stdin, "streams": pipes.streams})
    session = visit(container)
    kind, content = (0, b"") if session is None else session.ask(f.EXEC, order, pipes)
    if session is None or kind == 0:
        raise Fault(f"the container {name} has ended just now")
    if kind == f.STARTED:
        return session
    session.connection.close()
    if kind == f.REFUSED:
        raise Fault(f"the container {name} {content.decode()}: 'preg start' and 'preg unpause' let it go on")
    from runtime.engine import read_failure  # noqa: PLC0415 - slow, and only for what fails

    raise read_failure(content, os.path.basename(container.describe().engine))


def describe(process: dict[str, Any], wanted: Execution, root: str) -> dict[str, Any]:
    """Describe the process (runtime-spec, config.md, "Process"), beginning with the container's own.

    ``root`` is the container's, whose files say who a user is. Raises Fault for one that they do not know.
    """
    variables = dict(item.partition("=")[::2] for item in process["env"])
    described = {**process, "args": wanted.command, "terminal": wanted.terminal}
    if wanted.user is not None:
        described["user"], home = _find_user(wanted.user, process["user"], variables.get("HOME"), root)
        variables["HOME"] = home
    if wanted.terminal:
        variables.setdefault("TERM", "xterm")
    variables.update(item.partition("=")[::2] for item in wanted.environment)
    described["env"] = [f"{name}={value}" for name, value in variables.items()]
    if wanted.size is not None:
        described["consoleSize"] = {"height": wanted.size[0], "width": wanted.size[1]}
    if wanted.working_dir is not None:
        described["cwd"] = wanted.working_dir
    described["capabilities"] = _capabilities(process, described["user"]["uid"], privileged=wanted.privileged)
    return described


def _capabilities(process: dict[str, Any], uid: int, *, privileged: bool) -> dict[str, list[str]]:
    """Give the container's capabilities, which are root's alone; or all that we have."""
    if privileged:
        from runtime.capabilities import held_by_us  # noqa: PLC0415 - a rare wish

        names = held_by_us()
        return {"bounding": names, "effective": names, "permitted": names}
    bounding = process.get("capabilities", {}).get("bounding", [])
    if uid == process["user"]["uid"]:
        return dict(process.get("capabilities", {}))
    effective = bounding if uid == 0 else []
    return {"bounding": bounding, "effective": effective, "permitted": effective}


def _check_command(process: dict[str, Any], root: str) -> None:
    if process["user"]["uid"] == 0:
        return
    from runtime.users import User, check_command  # noqa: PLC0415 - as below

    ids = process["user"]
    opened = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        check_command(
            opened,
            User(ids["uid"], ids["gid"], tuple(ids.get("additionalGids", ())), ""),
            process["args"],
            process["cwd"],
        )
    finally:
        os.close(opened)


def _find_user(text: str, own: dict[str, Any], own_home: str | None, root: str) -> tuple[dict[str, Any], str]:
    """Find a user in the container's files; give them and their home, unless the container's is a chosen one."""
    from runtime.users import find_user, read_inside  # noqa: PLC0415 - loads a C library, for those who ask for a user

    opened = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        passwd, group = read_inside(opened, b"etc/passwd"), read_inside(opened, b"etc/group")
    finally:
        os.close(opened)
    try:
        user = find_user(text, passwd, group)
    except Fault as fault:
        raise CommandNotExecutable(str(fault)) from fault
    chosen = own_home is not None and own_home != find_user(str(own["uid"]), passwd, group).home
    ids = {"uid": user.uid, "gid": user.gid, "additionalGids": [user.gid, *user.groups]}
    return {**own, **ids}, own_home if chosen and own_home is not None else user.home
