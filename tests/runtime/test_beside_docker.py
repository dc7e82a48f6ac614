"""preg and Docker on one registry: each runs what the other pushed, and a container sees the same in both."""

import pytest

from tests.parts.docker import Docker
from tests.parts.images import busybox
from tests.parts.server import Server
from tests.runtime.conftest import Preg

pytestmark = pytest.mark.xdist_group("docker")


def test_an_image_goes_from_docker_to_preg_and_back(
    docker: Docker, server: Server, repository: str, preg: Preg, oci_runtime: str
) -> None:
    image, name = busybox("there and back"), f"{server.address}/{repository}"
    docker.load(image, f"{name}:docker")
    docker("push", f"{name}:docker")
    run = ["run", "--rm", "--runtime", oci_runtime, f"{name}:docker"]
    assert preg.ok(*run) == "there and back"
    done = preg.run(*run, "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, "out\n", "err\n")

    target = f"{server.address}/{repository}-copy:preg"
    preg.ok("push", f"{name}:docker", target)
    docker.forget()
    docker("pull", target)
    assert docker.inspect(target)["Id"] == image.config_digest
    assert docker("run", "--rm", "--network", "none", target) == "there and back"


@pytest.mark.parametrize(
    "command",
    [
        ["env"],
        ["id"],
        ["ls", "-1", "/"],
        ["ls", "-1", "/dev"],
        ["ls", "-ld", "/dev/null", "/dev/full", "/dev/tty", "/dev/ptmx"],
        ["sh", "-c", "pwd; umask; cat < /dev/null; echo $$"],
        [
            "sh",
            "-c",
            "while read key rest; do case $key in Cap*|NoNewPrivs:) echo $key $rest;; esac; done < /proc/1/status",
        ],
        ["cat", "/proc/sys/kernel/domainname"],
        ["cat", "/proc/keys", "/proc/timer_list"],
        ["ls", "/sys/firmware"],
        ["ls", "/sys/class/net"],
    ],
    ids=" ".join,
)
def test_a_container_sees_what_it_sees_under_docker(  # noqa: PLR0917 - fixtures are arguments
    command: list[str], docker: Docker, server: Server, repository: str, preg: Preg, oci_runtime: str
) -> None:
    name = f"{server.address}/{repository}:1"
    docker.load(busybox("same"), name)
    docker("push", name)
    under_docker = docker("run", "--rm", "--network", "none", "--hostname", "same", name, *command)
    under_preg = preg.run(
        "run", "--rm", "--network", "none", "--runtime", oci_runtime, "-e", "HOSTNAME=same", name, *command
    )
    # crun adds a link of that name to /proc/kcore, which is masked; it leads nowhere.
    seen = [line for line in under_preg.stdout.strip().splitlines() if line != "core"]
    assert sorted(seen) == sorted(under_docker.splitlines())
