"""What the commands that have to be quick load: each module takes longer than what they do."""

import subprocess
import sys
from collections.abc import Callable

from tests.runtime.conftest import Preg

#: Modules that take 0.5 ms and more to import, with what they import.
SLOW = {
    "argparse",
    "asyncio",
    "collections",
    "contextlib",
    "csv",
    "ctypes",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "importlib",
    "inspect",
    "ipaddress",
    "json",
    "logging",
    "msgspec",
    "pathlib",
    "random",
    "re",
    "secrets",
    "selectors",
    "shlex",
    "shutil",
    "signal",
    "socket",
    "struct",
    "subprocess",
    "tarfile",
    "tempfile",
    "threading",
    "tomllib",
    "typing",
    "urllib",
    "uuid",
    "warnings",
}


def loaded_by(host: Preg, *words: str) -> set[str]:
    """Every module that a command loads from its beginning on, by the name of the package it is in."""
    # Without site, for the way in which preg is installed here may import much by itself.
    command = [sys.executable, "-S", "-X", "importtime", "-c", "from runtime.cli import program; program()", *words]
    done = subprocess.run(
        command, env=host.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_what_people_do_all_day_loads_no_slow_module(
    host: Preg, image: str, runnable: str, names: Callable[[], str]
) -> None:
    name = names()
    host.ok("run", "--detach", "--name", name, "--network", "none", "--runtime", runnable, image, "sleep", "1000")
    commands = (
        ("exec", name, "true"),
        ("exec", "--env", "A=1", "--workdir", "/", "--detach", name, "true"),
        ("ps",),
        ("logs", name),
        ("kill", name),
        ("wait", name),
        ("ps", "--all", "--no-trunc", "--format", "Names,Status"),
        ("ps", "--all", "--format", "{{.Names}} {{.Status}}"),
        ("inspect", name),
        ("inspect", "--format", "State.Status", name),
        ("inspect", "--format", "{{.State.Status}} {{range $k, $v := .Config.Labels}}{{$k}}{{end}}", name),
        ("stop", name),
        ("rm", name),
    )
    assert slow_of(host, commands) == {}


def test_starts_load_no_slow_module(host: Preg, image: str, runnable: str, names: Callable[[], str]) -> None:
    name = names()
    engine = ("--runtime", runnable)
    own = ("--env", "A=1", "--volume", "/usr:/x", "--workdir", "/x", "--user", "0", "--hostname", "h", "--init")
    kept_apart = ("--memory", "64m", "--cap-drop", "ALL", "--read-only", "--tmpfs", "/memory", "--ulimit", "core=0")
    kept = ("--label", "a=b", "--log-opt", "max-size=1m", "--stop-timeout", "1", "--health-cmd", "true")
    commands = (
        ("run", "--rm", "--network", "none", *engine, image, "true"),
        ("run", "--rm", "--publish", "80", *engine, *own, *kept_apart, *kept, image, "true"),
        ("create", "--network", "host", "--name", name, *engine, image, "true"),
        ("start", name),
    )
    for words in commands[:2]:
        host.ok(*words)  # makes what is made once
    assert slow_of(host, commands) == {}


def slow_of(host: Preg, commands: tuple[tuple[str, ...], ...]) -> dict[tuple[str, ...], set[str]]:
    """What commands load that they should not, one after the other."""
    return {words: found for words in commands if (found := loaded_by(host, *words) & SLOW)}
