"""``preg diff`` against ``docker diff``."""

import os
import re
from pathlib import Path

import pytest

from runtime.diff import changes
from tests.parts.docker import Docker
from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.mounts import below
from tests.parts.required import require_root
from tests.parts.server import Server
from tests.runtime.archives import END, file
from tests.runtime.conftest import Preg

TREE = {
    name: File(b"12345")
    for name in ("d/same", "d/sub/gone", "gone/below/file", "gone/other", "again/old", "type/file", "m/file", "m/time")
}
#: All kinds of changes, and some that are none.
SCRIPT = """
cd /
rm d/sub/gone
rm -r gone
rm -r again; mkdir again; echo > again/new
rm -r type; echo > type
echo 54321 > m/file
touch m/time
mkdir -p new/deep; echo > new/deep/file
echo > tmp/passing; rm tmp/passing
ln -s nowhere link; mkfifo pipe
mv below moved 2>/dev/null || true
chmod 700 bin
echo > etc/added
"""


@pytest.fixture(scope="module")
def image(server: Server, host: Preg) -> str:
    """An image of several layers, one of which hides what another one has."""
    require_root()
    shell = busybox()
    upper = layer({"below": File(b"x")})[:-1024] + file(b"d/.wh.hidden") + END
    made = Image((*shell.tars, layer({**TREE, "d/hidden": File()}), upper), shell.settings)
    push(server, "tests/diff", "1", made)
    name = f"{server.address}/tests/diff:1"
    host.ok("pull", name)
    return name


@pytest.mark.xdist_group("docker")
def test_changes_are_those_that_docker_tells(host: Preg, image: str, docker: Docker, oci_runtime: str) -> None:
    command = [image, "sh", "-c", SCRIPT]
    docker("pull", image)
    docker("run", "--name", "changed", "--network", "none", "-v", "/volume", *command)
    host.ok("run", "--name", "changed", "--runtime", oci_runtime, "-v", "/volume", *command)
    try:
        ours = host.ok("diff", "changed").splitlines()
        assert ours == sorted(docker("diff", "changed").splitlines(), key=lambda line: line[2:].split("/"))
        assert len(ours) > 15
    finally:
        docker("rm", "-v", "changed")
        host.ok("rm", "-v", "changed")


def test_a_container_that_runs_or_was_never_started_tells_as_well(host: Preg, image: str) -> None:
    host.ok("create", "--name", "fresh", image, "sh", "-c", "echo > /d/new; echo ready; sleep 1000")
    try:
        assert host.ok("diff", "fresh") == ""
        host.ok("start", "fresh")
        while "ready" not in host.ok("logs", "fresh"):
            pass
        assert host.ok("diff", "fresh") == "C /d\nA /d/new\n"
        assert re.search("no container", host.fails("diff", "other"))
    finally:
        host.ok("rm", "-f", "fresh")
    assert list((host.home / "new").iterdir()) == []
    assert below(host.home / "containers") == below(host.home / "new") == []


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """What has changed, and what was there."""
    for name in ("upper", "image"):
        (tmp_path / name).mkdir()
    return tmp_path / "upper", tmp_path / "image"


def test_a_change_that_leads_elsewhere_is_not_followed(trees: tuple[Path, Path]) -> None:
    upper, image = trees
    (image / "d").mkdir()
    (image / "e").symlink_to("/etc")
    (upper / "d").symlink_to("/etc")
    (upper / "e").mkdir()
    (upper / "e/passwd").write_text("")
    files = [os.open(path, os.O_RDONLY) for path in trees]
    assert changes(*files) == {"/d": "C", "/e": "C", "/e/passwd": "A"}
    for opened in files:
        os.close(opened)
