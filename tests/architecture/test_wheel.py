"""What is installed: the four rooms with their types, and nothing that lies beside them in the repository."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.rooms import ROOMS, sources
from tests.parts.process import run
from tests.parts.required import ROOT, missing


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel built from a copy: setuptools leaves its own files in what it builds from."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*ROOMS, "tests", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    done = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(folder))
    if "setuptools" in done.stderr and done.returncode:
        missing(f"pip cannot fetch setuptools to build with: give it a package index\n{done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr
    (wheel,) = Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_four_rooms_and_no_other_package(names: set[str]) -> None:
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == set(ROOMS)


def test_the_wheel_holds_every_source_file_and_says_that_it_is_typed(names: set[str]) -> None:
    assert {str(path) for path in sources()} <= names
    assert {f"{room}/py.typed" for room in ROOMS} <= names


def test_the_wheel_brings_its_license_and_its_command(names: set[str]) -> None:
    info = {name.partition(".dist-info/")[2] for name in names if ".dist-info/" in name}
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= info
