"""What make does for a newcomer, and what it says where it cannot.

Python, pip and preg are stand-ins here, which note what they are asked: the real ones take minutes and a network, and
`.ci/bare-machine` runs them.
"""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import process
from tests.parts.required import ROOT

PYTHON = f"""#!/bin/sh
case "$*" in
*base_prefix*) echo "${{PREFIX:-/usr}} cpython-311" ;;
*ensurepip*) exit "${{ENSUREPIP:-0}}" ;;
"-m venv .venv") echo venv >> asked; mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "${{0%/*}}/preg" .venv/bin/preg ;;
"-m pip "*) exit "${{PIP_STATUS:-0}}" ;;
*) exec {sys.executable} "$@" ;;
esac
"""
PREG = """#!/bin/sh
echo "preg $*" >> asked
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the Makefile, and beside it the stand-ins and few programs else."""
    folder, programs = tmp_path / "checkout", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "pyproject.toml").touch()
    for name, text in (("python3", PYTHON), ("preg", PREG)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("sh", "make", "id", "cat", "rm", "mkdir", "cp", "touch"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    return folder


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        chosen: int = free.getsockname()[1]
    return chosen


def serve(checkout: Path, port: int | str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = str(checkout.parent / "programs")
    return process.run("make", "-C", str(checkout), "serve", f"PORT={port}", *words, env={"PATH": path, **variables})


def asked(checkout: Path) -> list[str]:
    return (checkout / "asked").read_text().splitlines()


def test_serve_installs_once_and_serves_where_it_is_told(checkout: Path, port: int) -> None:
    for _ in range(2):
        done = serve(checkout, port, "DATA=/somewhere")
        assert done.returncode == 0, done.stderr
        assert f"docker pull 127.0.0.1:{port}/hello" in done.stdout
    started = f"preg serve --listen 127.0.0.1:{port} --storage /somewhere"
    assert asked(checkout) == ["venv", started, started]


def test_an_environment_of_another_python_is_made_anew(checkout: Path, port: int) -> None:
    serve(checkout, port)
    (checkout / ".venv/left").touch()
    serve(checkout, port, PREFIX="/opt/other")
    assert asked(checkout).count("venv") == 2
    assert not (checkout / ".venv/left").exists()


def test_an_environment_of_a_moved_checkout_is_made_anew(checkout: Path, port: int) -> None:
    serve(checkout, port)
    moved = checkout.rename(checkout.with_name("moved"))
    serve(moved, port)
    assert asked(moved).count("venv") == 2


def test_a_port_that_is_taken_is_told_before_anything_starts(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = serve(checkout, taken.getsockname()[1])
    assert done.returncode != 0
    assert "choose another, e.g. make serve PORT=5001" in done.stdout
    assert "is not a port" in serve(checkout, 99999).stdout
    assert asked(checkout) == ["venv"]


def test_packages_that_cannot_be_downloaded_are_told_with_the_cure(checkout: Path, port: int) -> None:
    done = serve(checkout, port, PIP_STATUS="1")
    assert done.returncode != 0
    assert "check the network, or set HTTPS_PROXY" in done.stdout
    assert not (checkout / ".venv/.installed").exists()


def test_who_cannot_install_venv_is_told_what_to_install(checkout: Path, port: int) -> None:
    done = serve(checkout, port, "SUDO=sudo", ENSUREPIP="1")  # neither sudo nor apt-get is there
    assert done.returncode != 0
    assert "run 'apt-get install python3-venv' as root" in done.stdout


def test_crun_is_named_where_it_is_missing(checkout: Path, port: int) -> None:
    assert "apt-get install crun" in serve(checkout, port).stdout
    (checkout.parent / "programs/crun").symlink_to("/bin/true")
    assert "apt-get install crun" not in serve(checkout, port).stdout
