"""What ``preg inspect`` tells of a container, in the names of Docker's API."""

from typing import Any

from runtime import cgroup
from runtime.bundle import Wishes
from runtime.cli.host_config import describe_isolation
from runtime.cli.network_settings import show_bindings, show_links, show_mode, show_settings
from runtime.cli.process_config import describe_mounts, describe_process
from runtime.cli.targets import networks
from runtime.cli.times import show_time
from runtime.container import RESTARTING, RUNNING, Container, Description, HealthCheck, State
from runtime.containers import Containers
from runtime.leftovers import look
from runtime.network.plan import Plan, read_plan
from runtime.record import read
from runtime.signals import signal_name
from runtime.volumes import Volumes


def describe_container(containers: Containers, container: Container) -> dict[str, Any]:
    """Put together what is known of a container. Raises FileNotFoundError if it is gone, and Damaged."""
    state, description = look(containers, container), container.describe()
    wishes, plan = read(Wishes, description.wishes), read_plan(container.directory)
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
        "HostConfig": {
            **_describe_keeping(description, plan),
            "Links": show_links(containers, description.name, plan),
            **describe_mounts(wishes),
            **describe_isolation(wishes),
        },
        "Mounts": [_describe_mount(container, mount) for mount in description.wishes.get("mounts", ())],
        "Config": _describe_config(container, description, wishes, plan),
        "NetworkSettings": show_settings(networks(), container, plan),
    }


def _describe_state(container: Container, state: State) -> dict[str, Any]:
    paused = state.alive and cgroup.is_frozen(container.id)
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
            "Config": {"max-size": str(description.log.size), "max-file": str(description.log.files)},
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


def _describe_config(container: Container, description: Description, wishes: Wishes, plan: Plan) -> dict[str, Any]:
    return {
        "Hostname": wishes.hostname or container.short_id,
        "Domainname": wishes.domainname,
        "User": wishes.user,
        "AttachStdin": description.stdin_once,
        "Tty": description.terminal,
        "OpenStdin": description.stdin,
        "StdinOnce": description.stdin_once,
        **describe_process(container, description, wishes),
        "Image": description.image,
        "Labels": description.labels,
        "StopSignal": signal_name(description.stop_signal),
        "StopTimeout": description.stop_timeout,
        "ExposedPorts": {port: {} for port in plan.exposed},
        **({} if description.health is None else {"Healthcheck": _describe_check(description.health)}),
    }


def _describe_check(check: HealthCheck) -> dict[str, Any]:
    return {
        "Test": check.test,
        "Interval": int(check.interval * 1e9),
        "Timeout": int(check.timeout * 1e9),
        "StartPeriod": int(check.start_period * 1e9),
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
