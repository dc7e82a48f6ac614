"""Images that are mounted in containers: all of their layers, to be read alone, as long as a container has them."""

import json
from collections.abc import Callable, Iterator

import pytest

from runtime.cli.mount_options import read_mount
from runtime.errors import UsageError
from tests.parts.images import File, Image, layer, push
from tests.parts.mounts import below
from tests.parts.required import require_root
from tests.parts.server import Server
from tests.runtime.conftest import Preg

Names = Callable[[], str]


@pytest.fixture
def model(server: Server, host: Preg) -> Iterator[str]:
    """An image of data in two layers, in a name of its own."""
    require_root()
    layers = (
        layer({"data/old": File(b"old"), "data/both": File(b"1")}),
        layer({"data/both": File(b"2"), "top": File(b"t")}),
    )
    push(server, "tests/model", "1", Image(layers, {"Cmd": ["/none"]}))
    name = f"{server.address}/tests/model:1"
    host.ok("pull", "-q", name)
    yield name
    host.run("rmi", "-f", name)
    assert below(host.home / "containers") == []


def test_all_layers_of_an_image_are_there_to_be_read(
    host: Preg, image: str, oci_runtime: str, model: str, names: Names
) -> None:
    name, mount = names(), f"type=image,src={model},dst=/model"
    line = "cat /model/data/*; ls /model; echo x > /model/data/old; echo $?"
    host.ok("create", "--name", name, "--runtime", oci_runtime, "--mount", mount, image, "sh", "-c", line)
    for _ in range(2):
        done = host.run("start", "-a", name)
        assert (done.returncode, done.stdout) == (0, "2olddata\ntop\n1\n")
        assert "Read-only file system" in done.stderr
    assert host.ok("run", "--rm", "--volumes-from", name, image, "cat", "/model/top") == "t"
    host.ok("cp", f"{name}:/model/top", str(host.home))
    assert (host.home / "top").read_text() == "t"
    host.ok("rm", name)


def test_one_layer_or_a_part_of_it_with_rm(host: Preg, image: str, model: str) -> None:
    words = ("run", "--rm", "--mount", f"type=image,src={image},dst=/i", "--mount")
    part = f"type=image,src={model},dst=/m,image-subpath=data"
    assert host.ok(*words, part, image, "sh", "-c", "cat /m/old; test -e /i/bin/busybox; echo $?") == "old0\n"
    assert host.ok("run", "--rm", image, "true") == ""
    assert "there is no none to mount at /m" in host.fails(
        *words, f"type=image,src={model},dst=/m,image-subpath=none", image, "true", status=125
    )


def test_an_image_stays_as_long_as_a_container_has_it(host: Preg, image: str, model: str, names: Names) -> None:
    name = names()
    host.ok("create", "--name", name, "--mount", f"type=image,src={model},dst=/m", image, "cat", "/m/top")
    assert "uses the image" in host.fails("rmi", host.ok("images", "-q", model).strip())
    host.ok("rmi", "-f", model)
    host.ok("prune", "-a", "-f")
    assert host.ok("start", "-a", name) == "t"
    (mount,) = json.loads(host.ok("inspect", name))[0]["Mounts"]
    assert (mount["Type"], mount["Destination"], mount["RW"]) == ("image", "/m", False)
    host.ok("rm", name)


def test_an_image_that_is_not_here_is_told(host: Preg, image: str) -> None:
    said = host.fails("create", "--mount", "type=image,src=none:1,dst=/m", image)
    assert said == "there is no image none:1 on this host to mount at /m: pull it first"
    with pytest.raises(UsageError, match="say which image"):
        read_mount("type=image,dst=/m")
