"""``preg top``: list the processes of a container."""

import os
import shutil
import subprocess
import sys
from typing import Final

from runtime import cgroup
from runtime.cli.options import Usage
from runtime.cli.targets import here
from runtime.container import RUNNING
from runtime.errors import Fault, UsageError
from runtime.leftovers import look

USAGE: Final = Usage(
    "top CONTAINER [OPTION-OF-PS...]",
    "List the processes of a running container, as this host's ps does (default: ps -ef).",
    notes="""
Examples:
  preg top web
  preg top web -o pid,rss,args
""",
    operands=(1, 1),
    command_follows=True,
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options, containers = USAGE.parse(arguments), here()
    container, words = containers.find(options.operands[0]), options.operands[1:] or ["-ef"]
    state, name = look(containers, container), container.describe().name
    if state.status != RUNNING:
        raise Fault(f"the container {name} is not running")
    ps = shutil.which("ps", path="/bin:/usr/bin")
    if ps is None:
        raise Fault("ps is not installed: apt install procps")
    listed = subprocess.run([ps, *words], capture_output=True, text=True, errors="replace", check=False)
    if listed.returncode:
        raise UsageError(f"ps {' '.join(words)}: {listed.stderr.strip() or 'it lists nothing'}")
    head, *rows = listed.stdout.splitlines()
    if "PID" not in head.split():
        raise UsageError(f"ps {' '.join(words)}: without a column PID it is not known whose the processes are")
    column = head.split().index("PID")
    pids = {str(pid) for pid in cgroup.processes(container.group) or _in_namespace(state.pid)}
    shown = [row for row in rows if {*row.split()[column : column + 1]} & pids]
    sys.stdout.writelines(f"{line}\n" for line in (head, *shown))
    containers.note(container, "top")
    return 0


def _in_namespace(pid: int) -> set[int]:
    """Find the processes that share the process namespace of one."""
    found = set()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.path.samefile(f"/proc/{name}/ns/pid", f"/proc/{pid}/ns/pid"):
                found.add(int(name))
        except OSError:  # it has ended, or is not ours
            continue
    return found
