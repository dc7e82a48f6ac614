"""What inspect tells has Docker's fields, each of Docker's type, but for those that are left out for a reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parts.docker import Docker
from tests.parts.images import busybox
from tests.parts.required import require_root, required
from tests.runtime.conftest import Preg

pytestmark = pytest.mark.xdist_group("docker")

#: What docker has and preg has not, with the reason.
LEFT_OUT = {
    "HostConfig.KernelMemory": "the kernel has no such limit any more, and newer Dockers do not name it",
    "HostConfig.KernelMemoryTCP": "as above",
    "Container": "of Docker's own builder, and gone from newer Dockers",
    "ContainerConfig": "as above",
    "NetworkSettings": "tests/runtime/test_network.py looks at what containers have of networks",
    "State.Health": "a container that does not run is not checked; tests/runtime/test_health.py looks at it",
    "Config.Healthcheck.Interval": "docker leaves the defaults out, and preg tells what holds",
}
#: What is there by name, which differs.
NAMED = ("Networks", "Labels", "Data", "Volumes", "ExposedPorts", "Config.LogConfig")


def types_in(document: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every path in a document with the type of what is there."""
    if isinstance(document, dict):
        yield path, "object"
        if path.rpartition(".")[2] not in NAMED and path != "HostConfig.LogConfig.Config":
            for name, value in document.items():
                yield from types_in(value, f"{path}.{name}".lstrip("."))
    else:
        yield path, type(document).__name__


def compare(theirs: Any, ours: Any) -> dict[str, tuple[str, str | None]]:
    """The paths of docker's that preg lacks or has of another type, beyond those with a reason."""
    own = dict(types_in(ours))
    return {
        path: (kind, own.get(path))
        for path, kind in types_in(theirs)
        if own.get(path) != kind and not any(path == left or path.startswith(f"{left}.") for left in LEFT_OUT)
    }


@pytest.fixture(scope="module")
def both(engine: Docker, tmp_path_factory: pytest.TempPathFactory) -> tuple[Docker, Preg]:
    """Docker and preg with an image that is called ``told``."""
    require_root()
    required("crun")
    folder = tmp_path_factory.mktemp("told")
    preg = Preg(folder / "home")
    engine.load(busybox("told"), "told:1")
    engine("save", "-o", str(folder / "told.tar"), "told:1")
    preg.ok("load", "-i", str(folder / "told.tar"))
    return engine, preg


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-e", "A=b", "-l", "a=b", "-v", "/anonymous", "-w", "/bin", "-u", "7:8", "--entrypoint", "sh", "-it", "--rm"),
        ("--health-cmd", "true", "--memory", "64m", "--pids-limit", "10", "--cap-add", "NET_ADMIN", "--init"),
        ("--ulimit", "nofile=10", "--tmpfs", "/memory", "--device", "/dev/fuse", "--sysctl", "net.core.somaxconn=10"),
        ("--read-only", "--dns", "10.0.0.1", "--add-host", "a:10.0.0.1", "--group-add", "7", "--restart", "always"),
    ],
)
def test_a_container_has_dockers_fields(options: tuple[str, ...], both: tuple[Docker, Preg]) -> None:
    docker, preg = both
    words = ("create", "--name", "told", "--network", "none", *options, "told:1", "true")
    docker(*words)
    preg.ok(*words)
    try:
        ((theirs,), (ours,)) = (json.loads(run("inspect", "told")) for run in (docker, preg.ok))
        assert compare(theirs, ours) == {}
    finally:
        docker("rm", "-f", "-v", "told")
        preg.ok("rm", "-f", "-v", "told")


def test_an_image_has_dockers_fields(both: tuple[Docker, Preg]) -> None:
    docker, preg = both
    ((theirs,), (ours,)) = (json.loads(run("image", "inspect", "told:1")) for run in (docker, preg.ok))
    assert compare(theirs, ours) == {}
    assert ours["Id"] == theirs["Id"]


def test_a_volume_has_dockers_fields(both: tuple[Docker, Preg]) -> None:
    docker, preg = both
    for labels in ((), ("--label", "a=b")):
        for run in (docker, preg.ok):
            run("volume", "create", *labels, "told")
        ((theirs,), (ours,)) = (json.loads(run("volume", "inspect", "told")) for run in (docker, preg.ok))
        assert compare(theirs, ours) == {}
        assert compare(ours, theirs) == {}
        for run in (docker, preg.ok):
            run("volume", "rm", "told")


def test_one_command_finds_all_kinds_in_dockers_order(both: tuple[Docker, Preg]) -> None:
    docker, preg = both
    for run in (docker, preg.ok):
        run("volume", "create", "told")
        run("create", "--name", "c1", "--network", "none", "-v", "told:/data", "told:1", "true")
    both_fields = "{{.Name}} {{.Driver}}"
    told = [
        ("{{.Name}}", "c1"),
        (both_fields, "told"),
        (both_fields, "host"),
        ("{{.Os}}", "told:1"),
        (both_fields, "--type", "network", "host"),
        (both_fields, "--type", "volume", "told"),
    ]
    try:
        for words in told:
            assert preg.ok("inspect", "-f", *words) == docker("inspect", "-f", *words) + "\n"
        for kind in ("container", "image", "network"):
            assert docker.run("inspect", "--type", kind, "told").returncode == 1
            assert "there is no " in preg.fails("inspect", "--type", kind, "told")
        said = preg.fails("inspect", "nothing")
        assert said == "there is no container, image, network or volume 'nothing'"
        assert "not 'nothing'" in preg.fails("inspect", "--type", "nothing", "told", status=2)
    finally:
        for run in (docker, preg.ok):
            run("rm", "-f", "c1")
            run("volume", "rm", "told")


def test_sizes_are_told_where_they_are_asked_for(both: tuple[Docker, Preg], tmp_path: Path) -> None:
    docker, preg = both
    (tmp_path / "file").write_bytes(b"x" * 1000)
    for run in (docker, preg.ok):
        run("create", "--name", "c1", "--network", "none", "told:1", "true")
        run("cp", f"{tmp_path}/file", "c1:/file")
    try:
        for words in (["inspect", "-s"], ["inspect", "--size"], ["container", "inspect", "-s"]):
            sizes = [int(run(*words, "-f", "{{.SizeRw}}", "c1")) for run in (docker, preg.ok)]
            assert sizes[0] == sizes[1] == 1000
            assert int(preg.ok(*words, "-f", "{{.SizeRootFs}}", "c1")) > 1000
        assert [run("inspect", "-f", "{{.SizeRw}}", "c1").strip() for run in (docker, preg.ok)] == ["<nil>", "<nil>"]
    finally:
        for run in (docker, preg.ok):
            run("rm", "-f", "c1")
