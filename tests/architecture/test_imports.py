"""What a part loads: a command that lists images must not wait for an HTTP server and a cloud's SDK.

Which room may import which is import-linter's to check (`make lint`); this is what really happens.
"""

import json
import sys

import pytest

from tests.architecture.rooms import sources
from tests.parts.process import output, run
from tests.parts.required import ROOT

HEAVY = {"aiohttp", "aiofiles", "boto3", "botocore", "jwt", "rich", "cryptography"}
VOCABULARY = sorted(
    ".".join(path.with_suffix("").parts)
    for path in sources()
    if path.parts[:2] == ("storage", "oci") or str(path) in ("storage/driver.py", "storage/errors.py")
)


def loaded(statement: str) -> set[str]:
    """The modules that are there after a statement, in a fresh interpreter."""
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    env = {"PYTHONPATH": str(ROOT)}
    return set(json.loads(output(sys.executable, "-c", code, env=env).splitlines()[-1]))


@pytest.mark.parametrize("module", [*VOCABULARY, "storage.layout", "storage.repository"])
def test_the_vocabulary_loads_nothing_that_does_io(module: str) -> None:
    assert loaded(f"import {module}").isdisjoint(HEAVY | {"asyncio", "socket"})


@pytest.mark.parametrize("module", ["registry.config", "registry.cli", "runtime.cli", "auth", "storage.plugins"])
def test_what_a_command_needs_to_begin_is_light(module: str) -> None:
    assert loaded(f"import {module}").isdisjoint(HEAVY)


def test_a_folder_is_served_without_the_sdk_of_a_cloud() -> None:
    serving = loaded("import registry.serve, storage.plugins\nfrom storage.drivers import folder")
    assert "aiohttp" in serving
    assert serving.isdisjoint({"boto3", "botocore", "rich"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["images", "--help"],
        ["serve", "--help"],
        ["storage", "check", "--help"],
        ["user", "add", "--help"],
        ["key", "create", "--help"],
        ["auth", "explain", "--help"],
    ],
)
def test_help_is_light_and_names_the_command(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "runtime", *arguments]
    done = run(*command, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith("usage: preg" if arguments[0] != "--help" else "")
    assert " ".join(["preg", *arguments[:-1]]) in done.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "runtime" in imported
    assert imported.isdisjoint(HEAVY)
