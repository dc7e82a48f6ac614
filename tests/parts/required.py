"""Programs the tests drive, found on this machine or named as missing.

`apt.txt`, `go.txt` and `npm.txt` beside this file list all of them for a machine that is to run every test.
"""

import os
import pty
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools" / "bin"
NPM_TOOLS = ROOT / ".tools" / "npm" / "node_modules" / ".bin"

# Debian packages that are not called as the program is.
_PACKAGES = {
    "busybox": "busybox-static",
    "ctr": "containerd",
    "docker": "docker.io (on Debian 13 also docker-cli)",
    "dockerd": "docker.io",
    "iptables-legacy": "iptables",
    "newuidmap": "uidmap",
    "nginx": "nginx-light",
}


def required(name: str) -> str:
    """The path of a program, looked for on PATH, in `.tools/bin` and in `~/go/bin`.

    Where it is missing the test is skipped, or failed under PREG_TEST_REQUIRE_ALL=1.
    """
    folders = [
        os.environ.get("PATH", os.defpath),
        str(TOOLS),
        str(NPM_TOOLS),
        str(Path.home() / "go" / "bin"),
        "/usr/local/sbin:/usr/sbin:/sbin",  # not on every user's PATH; dockerd and nginx are there
    ]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return found or missing(f"{name} is not installed: {_how_to_get(name)}")


def require_root() -> None:
    """Skip or fail a test that only root can run."""
    if os.geteuid() != 0:
        missing("this test starts daemons and mounts: run the suite as root")


def require_terminals() -> None:
    """Skip or fail a test that needs a terminal, which a bare chroot cannot make."""
    try:
        for file in pty.openpty():
            os.close(file)
    except OSError as error:
        missing(f"there are no terminals ({error}): mount -t devpts devpts /dev/pts")


def missing(reason: str) -> NoReturn:
    """Skip the test for `reason`, or fail it under PREG_TEST_REQUIRE_ALL=1."""
    if os.environ.get("PREG_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"PREG_TEST_REQUIRE_ALL=1, and {reason}", pytrace=False)
    pytest.skip(reason)


def _how_to_get(name: str) -> str:
    for module in Path(__file__).with_name("go.txt").read_text().split():
        if module.partition("@")[0].endswith(f"/{name}"):
            return f"GOBIN={TOOLS} go install {module}"
    own = {"gotemplate": ".ci/go-tools", "devcontainer": ".ci/npm-tools"}
    return own.get(name) or f"apt-get install {_PACKAGES.get(name, name)}"
