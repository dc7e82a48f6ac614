"""``preg inspect``: tell all about containers."""

import json
import sys
from typing import Any, Final

import msgspec

from runtime import cgroup
from runtime.bundle import Wishes
from runtime.cli.host_config import describe_isolation
from runtime.cli.options import Option, Usage
from runtime.cli.table import select
from runtime.cli.targets import here
from runtime.cli.times import show_time
from runtime.container import RESTARTING, RUNNING, Container
from runtime.containers import Containers
from runtime.errors import Fault
from runtime.leftovers import look
from runtime.signals import signal_name
from runtime.volumes import Volumes

USAGE: Final = Usage(
    "inspect [OPTION...] CONTAINER...",
    "Tell all about containers, as JSON with Docker's names.",
    (Option("--format", "json, or the fields to print with tabs between, as Name,State.Status", "FORMAT", "-f"),),
    notes="""
Examples:
  preg inspect web
  preg inspect -f Name,State.Status web
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    form = options.last("--format")
    containers, found, status = here(), [], 0
    for word in options.operands:
        try:
            found.append(describe(containers, containers.find(word)))
        except (Fault, FileNotFoundError) as fault:
            sys.stderr.write(f"preg: {fault}\n")
            status = 1
    if form is None:
        sys.stdout.write(json.dumps(found, indent=4, ensure_ascii=False) + "\n")
    for document in found if form is not None else ():
        sys.stdout.write(select(document, form or "") + "\n")
    return status


def describe(containers: Containers, container: Container) -> dict[str, Any]:
    """Put together what is known of a container, in the names of Docker's API. Raises FileNotFoundError."""
    state, description = look(containers, container), container.describe()
    wishes = description.wishes
    asked = msgspec.convert(wishes, Wishes)
    paused = state.alive and cgroup.is_frozen(container.id)
    return {
        "Id": container.id,
        "Created": show_time(description.created),
        "Path": description.arguments[0],
        "Args": description.arguments[1:],
        "State": {
            "Status": "paused" if paused else state.status,
            "Running": state.alive,
            "Paused": paused,
            "Restarting": state.status == RESTARTING,
            "Dead": False,
            "Pid": state.pid if state.status == RUNNING else 0,
            "ExitCode": state.exit_code,
            "Error": state.error,
            "StartedAt": show_time(state.started),
            "FinishedAt": show_time(state.finished),
        },
        "Image": description.image_id,
        "ResolvConfPath": f"{container.directory}/resolv.conf",
        "HostnamePath": f"{container.directory}/hostname",
        "HostsPath": f"{container.directory}/hosts",
        "LogPath": f"{container.directory}/output.log",
        "Name": f"/{description.name}",
        "RestartCount": state.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "HostConfig": {
            "AutoRemove": description.remove,
            "NetworkMode": "host" if wishes.get("host_network") else "none",
            "RestartPolicy": {
                "Name": description.restart.policy,
                "MaximumRetryCount": description.restart.retries,
            },
            "Runtime": description.engine,
            **describe_isolation(asked),
        },
        "Mounts": [_show_mount(container, mount) for mount in wishes.get("mounts", ())],
        "Config": {
            "Hostname": asked.hostname or container.short_id,
            "Domainname": asked.domainname,
            "User": asked.user,
            "AttachStdin": description.stdin_once,
            "Tty": description.terminal,
            "OpenStdin": description.stdin,
            "StdinOnce": description.stdin_once,
            "Image": description.image,
            "Labels": description.labels,
            "StopSignal": signal_name(description.stop_signal),
            "StopTimeout": description.stop_timeout,
        },
    }


def _show_mount(container: Container, mount: dict[str, Any]) -> dict[str, Any]:
    options = mount["options"]
    shown = {"Type": mount["kind"], "Source": mount["source"], "Destination": mount["target"]}
    more = {"Mode": mount["mode"], "RW": not {"ro", "rro"} & {*options}, "Propagation": ""}
    if mount["kind"] == "volume":
        source = Volumes(container.home).data(mount["source"])
        return {**shown, "Name": mount["source"], "Source": source, "Driver": "local", **more}
    if mount["kind"] == "bind":
        more["Propagation"] = next(word for word in options if word.endswith(("private", "slave", "shared")))
    return {**shown, **more}
