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
        ("stop", name),
        ("rm", name),
    )
    slow = {words: found for words in commands if (found := loaded_by(host, *words) & SLOW)}
    assert slow == {}
