"""``preg info``: what is on this host, and what it can do."""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from runtime import cgroup, config, host
from runtime.cli.options import Usage
from runtime.cli.sizes import show_memory
from runtime.cli.table import DOCUMENT_FORMAT, print_document
from runtime.cli.targets import here as containers_here
from runtime.cli.times import show_time
from runtime.cli.version import describe as describe_version
from runtime.cli.version import own_version
from runtime.container import RUNNING
from runtime.errors import Fault
from runtime.images import Images
from runtime.layer_mode import find_mode

USAGE: Final = Usage(
    "info [OPTION...]",
    "Tell what is on this host and what it can do for containers. What it lacks is told on standard error.",
    (DOCUMENT_FORMAT,),
    notes="""
Examples:
  preg info
  preg info --format json
  preg info --format '{{.Driver}} {{.CgroupVersion}} {{.DefaultRuntime}}'
""",
)
_LOG_DRIVERS: Final = ("json-file", "local", "none")
#: What people see of it, in Docker's words, with the field that says it.
_SHOWN: Final = (
    ("Containers", "Containers"),
    (" Running", "ContainersRunning"),
    (" Paused", "ContainersPaused"),
    (" Stopped", "ContainersStopped"),
    ("Images", "Images"),
    ("Server Version", "ServerVersion"),
    ("Storage Driver", "Driver"),
    ("", "DriverStatus"),
    ("Logging Driver", "LoggingDriver"),
    ("Cgroup Driver", "CgroupDriver"),
    ("Cgroup Version", "CgroupVersion"),
    ("Plugins", "Plugins"),
    ("Runtimes", "Runtimes"),
    ("Default Runtime", "DefaultRuntime"),
    ("Security Options", "SecurityOptions"),
    ("Kernel Version", "KernelVersion"),
    ("Operating System", "OperatingSystem"),
    ("OSType", "OSType"),
    ("Architecture", "Architecture"),
    ("CPUs", "NCPU"),
    ("Total Memory", "MemTotal"),
    ("Name", "Name"),
    ("Docker Root Dir", "DockerRootDir"),
    ("State Dir", "StateDir"),
    ("Debug Mode", "Debug"),
    ("Live Restore Enabled", "LiveRestoreEnabled"),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    form = USAGE.parse(arguments).last("--format")
    here = config.load()
    lacks = list(host.lacks(here))
    document = describe(here, [lack.what for lack in lacks])
    if form is None:
        sys.stdout.writelines(f"{line}\n" for line in _show(document))
    else:
        print_document(document, form, kind="system.dockerInfo")
    for lack in lacks:
        sys.stderr.write(f"WARNING: {lack.what}: {lack.cure}\n")
    return 0


def describe(here: config.Config, warnings: list[str]) -> dict[str, Any]:
    """Put together what there is, in the names of Docker's API where it has them."""
    return {
        **_count(here),
        "Driver": "overlay",
        "DriverStatus": [
            ["Layers", _layers(here)],
            ["Backing Filesystem", host.file_system_of(here.home)],
        ],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": list(_LOG_DRIVERS),
        },
        **_describe_limits(),
        **_describe_host(here),
        "Debug": False,
        "SystemTime": show_time(time.time()),
        "LoggingDriver": _LOG_DRIVERS[0],
        "IndexServerAddress": "https://index.docker.io/v1/",
        "DockerRootDir": here.home,
        "StateDir": here.state,
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": own_version(),
        "Swarm": {"LocalNodeState": "inactive", "ControlAvailable": False},
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "Warnings": warnings,
        "ClientInfo": {"Debug": False, **describe_version(components=False)["Client"], "Plugins": [], "Warnings": None},
    }


def _count(here: config.Config) -> dict[str, int]:
    states = [(container.group, container.state()) for container in containers_here()]
    running = [group for group, state in states if state.status == RUNNING]
    paused = [group for group in running if cgroup.is_frozen(group)]
    return {
        "Containers": len(states),
        "ContainersRunning": len(running) - len(paused),
        "ContainersPaused": len(paused),
        "ContainersStopped": len(states) - len(running),
        "Images": len(Images(here.home).records()),
    }


def _describe_limits() -> dict[str, bool]:
    """Tell which limits containers can be given, by the controllers that there are for them."""
    controllers = {"cpu", "cpuset", "memory", "pids"}
    lacks = cgroup.missing(controllers) if cgroup.is_usable() else controllers
    memory, cpu = "memory" not in lacks, "cpu" not in lacks
    return {
        "MemoryLimit": memory,
        "SwapLimit": memory,
        "CpuCfsPeriod": cpu,
        "CpuCfsQuota": cpu,
        "CPUShares": cpu,
        "CPUSet": "cpuset" not in lacks,
        "PidsLimit": "pids" not in lacks,
        "OomKillDisable": memory and not cgroup.is_unified(),
        "IPv4Forwarding": True,
    }


def _describe_host(here: config.Config) -> dict[str, Any]:
    runtimes = host.runtimes(here)
    system = os.uname()
    return {
        "CgroupDriver": host.cgroup_driver(),
        "CgroupVersion": str(host.cgroup_version()),
        "DefaultRuntime": runtimes[0].name if runtimes else "",
        "Runtimes": {found.name: {"path": found.program, "version": found.version} for found in runtimes},
        "SecurityOptions": [
            *(["name=seccomp,profile=builtin"] if host.has_seccomp() else []),
            *(["name=rootless"] if config.CALLER != 0 else []),
        ],
        "Rootless": config.CALLER != 0,
        "KernelVersion": system.release,
        "OperatingSystem": host.operating_system(),
        "OSType": "linux",
        "Architecture": system.machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": host.memory(),
        "Name": system.nodename,
    }


def _layers(here: config.Config) -> str:
    """Say how layers are kept; trying it out takes a home that can be written to."""
    try:
        mode = find_mode(here.home, config.wanted_layers())
    except (Fault, OSError) as error:
        return f"unknown: {error}"
    return f"{mode.name}: {mode.reason}"


def _show(document: dict[str, Any]) -> Iterator[str]:
    """Write it for people, as Docker does."""
    client = document["ClientInfo"]
    yield "Client:"
    for title, name in (("Version", "Version"), ("Context", "Context"), ("Debug Mode", "Debug")):
        yield f" {f'{title}:':<11} {_plain(client[name])}"
    yield from ("", "Server:")
    for title, name in _SHOWN:
        value = document[name]
        if name == "DriverStatus":
            yield from (f"  {key}: {text}" for key, text in value)
        elif name == "Plugins":
            yield from (" Plugins:", *(f"  {key}: {' '.join(names)}" for key, names in value.items() if names))
        elif name == "SecurityOptions":
            yield from (f" {title}:", *(line for text in value for line in _security(text)))
        else:
            yield f" {title}: {show_memory(value) if name == 'MemTotal' else _plain(value)}"
    if document["Warnings"]:
        yield f" Warnings: {', '.join(document['Warnings'])}"


def _security(text: str) -> Iterator[str]:
    """Write an option, as ``name=seccomp,profile=builtin``, and below it what belongs to it."""
    name, *more = (part.partition("=")[2] if part.startswith("name=") else part for part in text.split(","))
    yield f"  {name}"
    for part in more:
        key, _, value = part.partition("=")
        yield f"   {key.title()}: {value}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(value) if isinstance(value, dict) else str(value)
