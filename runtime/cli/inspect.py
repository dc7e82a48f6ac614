"""``preg inspect``: tell all about containers and images."""

from typing import Any, Final

from runtime import cgroup, config
from runtime.bundle import Wishes
from runtime.cli.host_config import describe_isolation
from runtime.cli.network_settings import show_bindings, show_settings
from runtime.cli.options import Option, Usage
from runtime.cli.process_config import describe_mounts, describe_process
from runtime.cli.table import print_found
from runtime.cli.targets import here, networks
from runtime.cli.times import show_time
from runtime.container import RESTARTING, RUNNING, Container, HealthCheck
from runtime.containers import Containers
from runtime.errors import NotFound, UsageError
from runtime.leftovers import look
from runtime.network.plan import read_plan
from runtime.record import read
from runtime.signals import signal_name
from runtime.volumes import Volumes

_KINDS: Final = ("container", "image")
USAGE: Final = Usage(
    "inspect [OPTION...] CONTAINER|IMAGE...",
    "Tell all about containers and images, as JSON with Docker's names. A name that both have is the container's.",
    (
        Option("--format", "json, or the fields to print with tabs between, as Name,State.Status", "FORMAT", "-f"),
        Option("--type", "Look among these only: container, image", "TYPE"),
    ),
    notes="""
Examples:
  preg inspect web
  preg inspect -f Name,State.Status web
  preg inspect --type image -f Id,Architecture localhost:5000/team/app:1
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    form, kind = options.last("--format"), options.last("--type")
    if kind not in (None, *_KINDS):
        raise UsageError(f"--type is {' or '.join(_KINDS)}, not {kind!r}")
    containers = here()
    return print_found(lambda word: _describe(containers, word, kind), options.operands, form)


def _describe(containers: Containers, word: str, kind: str | None) -> dict[str, Any]:
    """Find a container or an image, and tell all about it. Raises Fault."""
    if kind != "image":
        try:
            return describe(containers, containers.find(word))
        except NotFound:
            if kind == "container":
                raise
    # Whoever asks for a container does not wait for what reads images.
    from runtime.cli.inspect_image import describe_image  # noqa: PLC0415
    from runtime.cli.naming import find_record, get_record  # noqa: PLC0415
    from runtime.images import Images  # noqa: PLC0415

    images = Images(config.load().home)
    record = get_record(images, word) if kind == "image" else find_record(images, word)
    if record is None:
        raise NotFound(f"there is no container and no image {word!r}: see 'preg ps -a' and 'preg images'")
    return describe_image(images, record)


def _show_health(health: dict[str, Any]) -> dict[str, Any]:
    log = [{**entry, **{name: show_time(entry[name]) for name in ("Start", "End")}} for entry in health["Log"]]
    return {**health, "Log": log}


def _show_check(check: HealthCheck) -> dict[str, Any]:
    return {
        "Test": check.test,
        "Interval": int(check.interval * 1e9),
        "Timeout": int(check.timeout * 1e9),
        "StartPeriod": int(check.start_period * 1e9),
        "Retries": check.retries,
    }


def describe(containers: Containers, container: Container) -> dict[str, Any]:
    """Put together what is known of a container, in the names of Docker's API. Raises FileNotFoundError."""
    state, description = look(containers, container), container.describe()
    wishes = description.wishes
    asked = read(Wishes, wishes)
    plan = read_plan(container.directory)
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
            "OOMKilled": state.oom_killed,
            "Dead": False,
            "Pid": state.pid if state.status == RUNNING else 0,
            "ExitCode": state.exit_code,
            "Error": state.error,
            "StartedAt": show_time(state.started),
            "FinishedAt": show_time(state.finished),
            **({} if state.health is None else {"Health": _show_health(state.health)}),
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
            "LogConfig": {
                "Type": description.log.driver,
                "Config": {"max-size": str(description.log.size), "max-file": str(description.log.files)},
            },
            "NetworkMode": plan.mode,
            "PortBindings": show_bindings(plan),
            "PublishAllPorts": plan.publish_all,
            "RestartPolicy": {
                "Name": description.restart.policy,
                "MaximumRetryCount": description.restart.retries,
            },
            "Runtime": description.engine,
            **describe_mounts(asked),
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
            **describe_process(container, description, asked),
            "Image": description.image,
            "Labels": description.labels,
            "StopSignal": signal_name(description.stop_signal),
            "StopTimeout": description.stop_timeout,
            "ExposedPorts": {port: {} for port in plan.exposed},
            **({} if description.health is None else {"Healthcheck": _show_check(description.health)}),
        },
        "NetworkSettings": show_settings(networks(), container, plan),
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
