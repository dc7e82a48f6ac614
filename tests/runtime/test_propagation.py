"""Mounts that a container and this host pass on to each other, and those that neither does."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.kernel import MNT_DETACH, MS_REC, mount, unmount
from tests.runtime.conftest import Preg

_PRIVATE, _SHARED = 0x40000, 0x100000


@pytest.fixture
def folder(tmp_path: Path, runnable: str) -> Iterator[Path]:
    """A mount of its own, of which nobody knows but who is told; it has a directory ``below``."""
    path = tmp_path / "mounted"
    path.mkdir()
    mount("tmpfs", str(path), "tmpfs")
    mount("none", str(path), "", _PRIVATE)
    (path / "below").mkdir()
    yield path
    unmount(str(path), MNT_DETACH)


@pytest.mark.parametrize(
    ("option", "reaches_container", "reaches_host"),
    [("rprivate", False, False), ("rslave", True, False), ("rshared", True, True)],
)
def test_mounts_are_passed_on_as_asked(  # noqa: PLR0917 - a fixture each
    option: str,
    reaches_container: bool,
    reaches_host: bool,
    host: Preg,
    image: str,
    oci_runtime: str,
    names: Callable[[], str],
    folder: Path,
) -> None:
    mount("none", str(folder), "", _SHARED | MS_REC)
    name = names()
    run = ["run", "-d", "--name", name, "--network", "none", "--runtime", oci_runtime, "--privileged"]
    host.ok(*run, "-v", f"{folder}:/seen:{option}", image, "sleep", "1000")
    for _ in range(2):
        mount("tmpfs", f"{folder}/below", "tmpfs")
        (folder / "below/new").touch()
        assert host.ok("exec", name, "ls", "/seen/below") == "new\n" * reaches_container
        unmount(f"{folder}/below")
        host.ok("exec", name, "busybox", "mount", "-t", "tmpfs", "tmpfs", "/seen/below")
        host.ok("exec", name, "mkdir", "/seen/below/theirs")
        assert os.listdir(folder / "below") == ["theirs"] * reaches_host
        host.ok("exec", name, "busybox", "umount", "/seen/below")
        host.ok("restart", "-t", "0", name)


@pytest.mark.parametrize("option", ["shared", "rshared", "slave", "rslave"])
def test_a_host_that_passes_nothing_on_is_told_so(
    option: str, host: Preg, image: str, oci_runtime: str, folder: Path
) -> None:
    run = ["run", "--rm", "--network", "none", "--runtime", oci_runtime]
    sentence = host.fails(*run, "-v", f"{folder}/below:/seen:{option}", image, "true", status=125)
    assert sentence.startswith(f"path {folder}/below is mounted on {folder} but it is not a shared ")
    wanted = f"type=bind,src={folder}/below,dst=/seen,bind-propagation={option}"
    assert "but it is not a shared " in host.fails(*run, "--mount", wanted, image, "true", status=125)
