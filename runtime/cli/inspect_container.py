"""What ``preg inspect`` tells of a container, in the names of Docker's API."""

from __future__ import annotations

import os

from runtime import cgroup
from runtime import frames as f
from runtime.bundle import Wishes
from runtime.cli.host_config import describe_isolation
from runtime.cli.network_settings import show_bindings, show_links, show_mode, show_settings
from runtime.cli.process_config import describe_mounts, describe_process, read_image
from runtime.cli.targets import networks
from runtime.cli.times import show_time
from runtime.container import RESTARTING, RUNNING, STOP_TIMEOUT, Container, Description, HealthCheck, LogPolicy, State
from runtime.disk_usage import size_written
from runtime.image_config import ImageConfig, Process
from runtime.images import Images
from runtime.layers import ROOT
from runtime.lean import suppress
from runtime.leftovers import look
from runtime.network.plan import Plan, read_plan
from runtime.record import read
from runtime.signals import signal_name
from runtime.volumes import Volumes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runtime.containers import Containers


def describe_container(containers: Containers, container: Container) -> dict[str, Any]:
    """Put together what is known of a container. Raises FileNotFoundError if it is gone, and Damaged."""
    state, description = look(containers, container), container.describe()
    wishes, plan = read(Wishes, description.wishes), read_plan(container.directory)
    image = read_image(container, description)
    return {
        "Id": container.id,
        "Created": show_time(description.created),
        "Path": description.arguments[0],
        "Args": description.arguments[1:],
        "State": _describe_state(container, state),
        "Image": description.image_id,
        "ResolvConfPath": f"{container.directory}/resolv.conf",
        "HostnamePath": f"{container.directory}/hostname",
        "HostsPath": f"{container.directory}/hosts",
        "LogPath": f"{container.directory}/output.log",
        "Name": f"/{description.name}",
        "RestartCount": state.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": wishes.apparmor,
        "ExecIDs": _list_executions(container) or None,
        "HostConfig": {
            **_describe_keeping(description, plan),
            "Links": show_links(containers, description.name, plan) or None,
            **describe_mounts(wishes),
            **describe_isolation(wishes),
        },
        "GraphDriver": _describe_layers(container, image),
        "Mounts": [_describe_mount(container, mount) for mount in description.wishes.get("mounts", ())],
        "Config": _describe_config(container, description, wishes, plan)
        | describe_process(image.config or Process(), wishes),
        "NetworkSettings": show_settings(networks(), container, plan),
    }


def _list_executions(container: Container) -> list[str]:
    """List the IDs of the processes that run in it beside its own; each has a directory."""
    with suppress(FileNotFoundError):
        return [name for name in os.listdir(container.running) if len(name) == len(container.id)]
    return []


def _describe_layers(container: Container, image: ImageConfig) -> dict[str, Any]:
    """Tell what its root is put together of."""
    layers = Images(container.home).layers
    lower = ":".join(f"{layers.path(diff_id)}/{ROOT}" for diff_id in reversed(image.rootfs.diff_ids))
    upper, work, merged = (f"{container.directory}/{name}" for name in ("upper", "work", "root"))
    return {"Data": {"LowerDir": lower, "MergedDir": merged, "UpperDir": upper, "WorkDir": work}, "Name": "overlay"}


def describe_sizes(container: Container) -> dict[str, int]:
    """Tell how many bytes it has written, and how many are in its root with those of its image."""
    layers = Images(container.home).layers
    written = size_written(container)
    image = read_image(container, container.describe())
    return {"SizeRw": written, "SizeRootFs": written + sum(map(layers.size, image.rootfs.diff_ids))}


def _describe_state(container: Container, state: State) -> dict[str, Any]:
    paused = state.alive and cgroup.is_frozen(container.group)
    return {
        "Status": "paused" if paused else state.status,
        "Running": state.alive,
        "Paused": paused,
        "Restarting": state.status == RESTARTING,
        "OOMKilled": state.oom_killed,
        "Dead": False,
        "Pid": state.pid if state.status == RUNNING else 0,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": show_time(state.started),
        "FinishedAt": show_time(state.finished),
        **({} if state.health is None else {"Health": _describe_health(state.health)}),
    }


def _describe_health(health: dict[str, Any]) -> dict[str, Any]:
    log = [{**entry, **{name: show_time(entry[name]) for name in ("Start", "End")}} for entry in health["Log"]]
    return {**health, "Log": log}


def _describe_keeping(description: Description, plan: Plan) -> dict[str, Any]:
    """Give the part of ``HostConfig`` that is not about isolation."""
    return {
        "AutoRemove": description.remove,
        "LogConfig": {
            "Type": description.log.driver,
            "Config": _describe_log(description.log),
        },
        "NetworkMode": show_mode(networks(), plan),
        "PortBindings": show_bindings(plan),
        "PublishAllPorts": plan.publish_all,
        "RestartPolicy": {
            "Name": description.restart.policy,
            "MaximumRetryCount": description.restart.retries,
        },
        "Runtime": description.engine,
    }


def _describe_log(policy: LogPolicy) -> dict[str, str]:
    told = {"labels": policy.labels, "env": policy.env}
    bounds = {"max-size": str(policy.size), "max-file": str(policy.files)}
    return {**bounds, **{name: names for name, names in told.items() if names}}


def _describe_config(container: Container, description: Description, wishes: Wishes, plan: Plan) -> dict[str, Any]:
    exposed = [*plan.exposed, *(f"{publish.port}/{publish.protocol}" for publish in plan.published())]
    return {
        "Hostname": wishes.hostname or container.short_id,
        "Domainname": wishes.domainname,
        "User": wishes.user,
        "AttachStdin": description.stdin_once,
        "AttachStdout": f.STDOUT in description.shown,
        "AttachStderr": f.STDERR in description.shown,
        "Tty": description.terminal,
        "OpenStdin": description.stdin,
        "StdinOnce": description.stdin_once,
        "Image": description.image,
        "Labels": description.labels,
        "StopSignal": signal_name(description.stop_signal),
        **({} if description.stop_timeout == STOP_TIMEOUT else {"StopTimeout": description.stop_timeout}),
        **({"ExposedPorts": {port: {} for port in exposed}} if exposed else {}),
        **({} if description.health is None else {"Healthcheck": _describe_check(description.health)}),
    }


def _describe_check(check: HealthCheck) -> dict[str, Any]:
    if check.off:
        return {"Test": check.test}
    return {
        "Test": check.test,
        "Interval": int(check.interval * 1e9),
        "Timeout": int(check.timeout * 1e9),
        "StartPeriod": int(check.start_period * 1e9),
        **({"StartInterval": int(check.start_interval * 1e9)} if check.start_period else {}),
        "Retries": check.retries,
    }


def _describe_mount(container: Container, mount: dict[str, Any]) -> dict[str, Any]:
    options = mount["options"]
    shown = {"Type": mount["kind"], "Source": mount["source"], "Destination": mount["target"]}
    more = {"Mode": mount["mode"], "RW": not {"ro", "rro"} & {*options}, "Propagation": ""}
    if mount["kind"] == "volume":
        source = Volumes(container.home).data(mount["source"])
        return {**shown, "Name": mount["source"], "Source": source, "Driver": "local", **more}
    if mount["kind"] == "bind":
        more["Propagation"] = next(word for word in options if word.endswith(("private", "slave", "shared")))
    return {**shown, **more}
