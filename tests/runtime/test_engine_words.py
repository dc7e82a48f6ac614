"""What an OCI runtime says of a failure, and what a person is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.engine import read_failure
from runtime.errors import CommandNotExecutable, CommandNotFound, Fault
from tests.parts.images import Image, busybox, push
from tests.parts.required import ROOT
from tests.parts.server import Server
from tests.runtime.archives import DIR, END, file, header
from tests.runtime.conftest import Preg

NOT_FOUND, NOT_EXECUTED = "the container's command was not found: ", "the container's command cannot be executed: "


#: What is said, the kind of fault, and the sentence: of crun first, then of runc.
SAID = """
executable file `x` not found in $PATH: No such file or directory | not found: x
exec container process `/x`: No such file or directory | not found: /x: No such file or directory
open executable: Permission denied | not executed: Permission denied
exec container process `/x`: Exec format error | not executed: Exec format error
chdir `/x`: Not a directory | not executed in its directory /x: Not a directory
mount `/a` to `b/c`: Not a directory | /a cannot be mounted at /b/c in the container: Not a directory
openat2 `a/b`: No such file or directory | /a/b cannot be made or opened in the container: No such file or directory
2026-01-02T03:04:05.678Z: mkdir `/a`: File exists | /a cannot be made or opened in the container: File exists
writing file `cpuset.cpus`: Oh | --cpuset-cpus: this host does not let preg use all of them: Oh
something new | an engine could not run the container: something new
RUN exec: "x": executable file not found in $PATH | not found: x
exec failed: exec: "/x": stat /x: permission denied | not executed: /x: permission denied
RUN INIT error mounting "a" to rootfs at "/b": mount a:/b (via x): oh | a cannot be mounted at /b in the container: oh
RUN INIT open /proc/sys/net/x: no such file or directory | --sysctl net/x: no such file or directory
nsexec[7]: failed to update /proc/self/oom_score_adj: Oh | --oom-score-adj: this host does not let preg set it: Oh
"""
KINDS = {
    "not found": (CommandNotFound, NOT_FOUND.removesuffix(": ")),
    "not executed": (CommandNotExecutable, NOT_EXECUTED.removesuffix(": ")),
}


@pytest.mark.parametrize("row", SAID.strip().splitlines())
def test_what_an_engine_says_becomes_a_sentence(row: str) -> None:
    said, _, expected = row.partition(" | ")
    said = said.replace("RUN", "runc run failed: unable to start container process:")
    said = said.replace("INIT", "error during container init:")
    kind, before = next((each for mark, each in KINDS.items() if expected.startswith(mark)), (Fault, ""))
    sentence = before + expected.removeprefix("not found").removeprefix("not executed")
    for log in (
        f"a warning\n{said}\n",
        '{"level": "warning", "msg": "x"}\n' + json.dumps({"level": "error", "msg": said}),
    ):
        told = read_failure(log.encode(), "an engine")
        assert (type(told), str(told)) == (kind, sentence)


@pytest.fixture(scope="module")
def name(server: Server, host: Preg) -> str:
    """An image with commands that cannot be executed, each for another reason."""
    shell = busybox()
    root = header(b"root/", DIR, mode=0o700) + file(b"root/hidden", b"#!/bin/sh\n", 0o755)
    others = file(b"bin/script", b"#!/no/such\n", 0o755) + file(b"bin/plain", b"x") + file(b"bin/mine", b"x", 0o700)
    push(server, "tests/words", "1", Image((*shell.tars, root + others + END), shell.settings))
    host.ok("pull", f"{server.address}/tests/words:1")
    return f"{server.address}/tests/words:1"


FORBIDDEN = [
    (["-u", "1000"], "/root/hidden"),
    (["-u", "1000", "-w", "/bin"], "../root/hidden"),
    (["-u", "1000"], "/bin/mine"),
    ([], "/bin/plain"),
]


@pytest.mark.parametrize(("options", "command"), FORBIDDEN)
def test_a_command_that_its_user_may_not_execute_is_126(
    options: list[str], command: str, host: Preg, name: str, oci_runtime: str
) -> None:
    run = ["run", "--rm", "--network", "none", "--runtime", oci_runtime, *options]
    said = host.fails(*run, name, command, status=126)
    assert said.startswith(NOT_EXECUTED)
    assert said.lower().endswith("permission denied")
    container = host.ok("run", "-d", *run[2:6], name, "sleep", "1000").strip()
    try:
        assert host.fails("exec", *options, container, command, status=126).startswith(NOT_EXECUTED)
    finally:
        host.ok("rm", "-f", container)


def test_no_engine_writes_json_into_what_a_container_prints(host: Preg, name: str, oci_runtime: str) -> None:
    done = host.run("run", "--rm", "--network", "none", "--runtime", oci_runtime, name, "/bin/script")
    assert done.returncode == 1
    assert "o such file or directory" in done.stderr
    assert "{" not in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-v", "{folder}:/d", "-v", "{folder}:/d/file"], "{folder} cannot be mounted at /d/file in the container: "),
        (["--sysctl", "net.no.such=1"], "--sysctl net/no/such: "),
        (["--tmpfs", "/x:size=much"], "tmpfs cannot be mounted at /x in the container: "),
        (["--cpuset-cpus", "1000"], "--cpuset-cpus: this host does not let preg use all of them: "),
    ],
    ids=str,
)
def test_what_an_engine_refuses_is_told_in_our_words(  # noqa: PLR0917 - a fixture each
    options: list[str], sentence: str, host: Preg, name: str, oci_runtime: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    options = [option.format(folder=tmp_path) for option in options]
    run = ["run", "--rm", "--network", "none", "--runtime", oci_runtime]
    assert host.fails(*run, *options, name, "true", status=125).startswith(sentence.format(folder=tmp_path))


#: Makes a chroot of parts of this host at $1, and runs the other words in there.
CHROOT = """
set -e; root=$1; shift
for name in bin sbin lib lib64; do test -h /$name && ln -s usr/$name $root/$name || bind="$bind $name"; done
for name in $bind usr etc proc sys dev run tmp HERE; do mkdir -p $root/$name; mount --rbind /$name $root/$name; done
exec chroot $root "$@"
"""


@pytest.mark.parametrize("bound", [False, True])
def test_a_chroot_is_told_what_it_lacks_or_runs_containers(bound: bool, host: Preg, name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    places = [str(ROOT), *([] if sys.base_prefix.startswith("/usr") else [sys.base_prefix])]
    script = CHROOT.replace("HERE", " ".join(place.strip("/") for place in places))
    if bound:
        script = f"mount --bind $1 $1; {script}"
    command = host.command("run", "--rm", "--network", "none", name, "echo", "inside")
    words = ["unshare", "--mount", "sh", "-c", script, "sh", str(root), "env", "-C", str(ROOT), *command]
    done = subprocess.run(words, env=host.environ, capture_output=True, text=True, check=False)
    if bound:
        assert (done.returncode, done.stdout, done.stderr) == (0, "inside\n", "")
    else:
        assert done.returncode == 125
        assert done.stderr.startswith("preg: /: it is no mount point, as in a chroot: bind it to itself")
        assert len(done.stderr.splitlines()) == 1
    assert host.left() == []


def test_a_process_that_may_not_mount_is_told_so(host: Preg, name: str) -> None:
    command = host.command("run", "--rm", "--network", "none", name, "true")
    words = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", *command]
    done = subprocess.run(words, env=host.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert done.stderr.startswith("preg: /: this process cannot have mounts of its own, which containers need: ")
    assert host.left() == []
