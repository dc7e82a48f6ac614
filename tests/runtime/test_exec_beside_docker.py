"""preg exec and docker exec in containers of one image: the same words give the same output and the same status."""

import pytest

from tests.parts.docker import Docker
from tests.parts.images import busybox
from tests.parts.server import Server
from tests.runtime.conftest import Preg

pytestmark = pytest.mark.xdist_group("docker")

#: Options, and the command behind the container's name.
CASES = [
    ([], ["env"]),
    (["-e", "A=1", "-e", "PATH=/bin:/x", "-w", "/tmp"], ["sh", "-c", "env; pwd; umask"]),  # noqa: S108
    (["-u", "user"], ["sh", "-c", "id; echo $HOME"]),
    (["-u", "7:8"], ["id"]),
    ([], ["sh", "-c", "echo out; echo err >&2; exit 42"]),
    ([], ["sh", "-c", "kill -9 $$"]),
    ([], ["no-such-command"]),
    ([], ["/text"]),
    (["-w", "/no/such/folder"], ["true"]),
    ([], ["sh", "-c", "test -t 0 || test -t 1 || echo no terminal"]),
    ([], ["busybox", "grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"]),
    (["-u", "user"], ["busybox", "grep", "-E", "^(Cap(Eff|Prm|Bnd)|NoNewPrivs)", "/proc/self/status"]),
]


def test_exec_is_dockers(docker: Docker, server: Server, repository: str, preg: Preg, oci_runtime: str) -> None:
    name = f"{server.address}/{repository}:1"
    docker.load(busybox("same"), name)
    docker("push", name)
    words = ["-d", "--name", "same", "--network", "none", "--hostname", "same", name, "sleep", "1000"]
    docker("run", *words)
    preg.ok("run", "--runtime", oci_runtime, *words)
    try:
        for options, command in CASES:
            theirs, ours = docker.run("exec", *options, "same", *command), preg.run("exec", *options, "same", *command)
            if theirs.returncode in (126, 127):
                # Which of the two it is has changed between docker's versions, and it says on stdout why.
                assert ours.returncode in (126, 127), (command, ours)
                continue
            assert ours.returncode == theirs.returncode, (command, ours, theirs)
            assert sorted(ours.stdout.splitlines()) == sorted(theirs.stdout.splitlines()), command
    finally:
        docker("rm", "--force", "same")
        preg.ok("rm", "--force", "same")
