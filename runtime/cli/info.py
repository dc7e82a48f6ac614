"""``preg info``: what is on this host, and what it can do."""

import os
import sys
from typing import Any, Final

from runtime import cgroup, config, host
from runtime.cli.options import Usage
from runtime.cli.table import FORMAT, print_document
from runtime.cli.targets import here as containers_here
from runtime.cli.version import own_version
from runtime.container import RUNNING
from runtime.errors import Fault
from runtime.images import Images
from runtime.layer_mode import find_mode

USAGE: Final = Usage(
    "info [OPTION...]",
    "Tell what is on this host and what it can do for containers. What it lacks is told on standard error.",
    (FORMAT,),
    notes="""
Examples:
  preg info
  preg info --format json
  preg info --format Driver,CgroupVersion,DefaultRuntime
""",
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    form = USAGE.parse(arguments).last("--format")
    here = config.load()
    lacks = list(host.lacks(here))
    print_document(describe(here, [lack.what for lack in lacks]), form)
    for lack in lacks:
        sys.stderr.write(f"WARNING: {lack.what}: {lack.cure}\n")
    return 0


def describe(here: config.Config, warnings: list[str]) -> dict[str, Any]:
    """Put together what there is, in the names of Docker's API where it has them."""
    states = [(container.id, container.state()) for container in containers_here()]
    running = [identifier for identifier, state in states if state.status == RUNNING]
    paused = [identifier for identifier in running if cgroup.is_frozen(identifier)]
    runtimes = host.runtimes(here)
    system = os.uname()
    return {
        "Containers": len(states),
        "ContainersRunning": len(running) - len(paused),
        "ContainersPaused": len(paused),
        "ContainersStopped": len(states) - len(running),
        "Images": len(Images(here.home).records()),
        "ServerVersion": own_version(),
        "Driver": "overlay",
        "DriverStatus": [
            ["Layers", _layers(here)],
            ["Backing Filesystem", host.file_system_of(here.home)],
        ],
        "DefaultRuntime": runtimes[0].name if runtimes else "",
        "Runtimes": {found.name: {"path": found.program, "version": found.version} for found in runtimes},
        "CgroupDriver": host.cgroup_driver(),
        "CgroupVersion": str(host.cgroup_version()),
        "SecurityOptions": [
            *(["name=seccomp"] if host.has_seccomp() else []),
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
        "DockerRootDir": here.home,
        "StateDir": here.state,
        "Warnings": warnings,
    }


def _layers(here: config.Config) -> str:
    """Say how layers are kept; trying it out takes a home that can be written to."""
    try:
        mode = find_mode(here.home, config.wanted_layers())
    except (Fault, OSError) as error:
        return f"unknown: {error}"
    return f"{mode.name}: {mode.reason}"
