"""Containers in the PID and IPC namespaces of others."""

import json
from collections.abc import Callable

import pytest

from tests.runtime.conftest import Preg

Names = Callable[[], str]


@pytest.fixture
def owner(host: Preg, image: str, names: Names, oci_runtime: str) -> str:
    """A container that shares what it has."""
    name = names()
    options = ("--network", "none", "--runtime", oci_runtime, "--ipc", "shareable")
    host.ok("run", "-d", "--name", name, *options, image, "sleep", "1000")
    host.ok("exec", name, "sh", "-c", "echo hers > /dev/shm/hers")
    return name


def test_processes_are_seen_and_signalled(host: Preg, image: str, owner: str, oci_runtime: str) -> None:
    alike = ("run", "--rm", "--network", "none", "--runtime", oci_runtime, "--pid", f"container:{owner}", image)
    assert host.ok(*alike, "cat", "/proc/1/cmdline") == "sleep\x001000\x00"
    script = "readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc"
    own, shared = (host.ok(*words, "busybox", "sh", "-c", script).split() for words in (("exec", owner), alike))
    assert own[0] == shared[0]
    assert own[1] != shared[1]


def test_memory_is_shared_and_stays_when_one_ends(host: Preg, image: str, owner: str, oci_runtime: str) -> None:
    alike = ("run", "--rm", "--network", "none", "--runtime", oci_runtime, "--ipc", f"container:{owner}", image)
    script = "cat /dev/shm/hers; echo his > /dev/shm/his; readlink /proc/self/ns/ipc"
    (text, namespace) = host.ok(*alike, "busybox", "sh", "-c", script).split()
    assert text == "hers"
    script = "cat /dev/shm/hers /dev/shm/his; readlink /proc/self/ns/ipc"
    assert host.ok("exec", owner, "busybox", "sh", "-c", script).split() == ["hers", "his", namespace]


def test_they_are_found_again_when_both_are_restarted(
    host: Preg, image: str, names: Names, owner: str, oci_runtime: str
) -> None:
    name = names()
    options = ("--pid", f"container:{owner}", "--ipc", f"container:{owner}", "--network", "none")
    host.ok("run", "-d", "--name", name, "--runtime", oci_runtime, *options, image, "sleep", "1000")
    (shown,) = json.loads(host.ok("inspect", name))
    identifier = json.loads(host.ok("inspect", owner))[0]["Id"]
    assert (shown["HostConfig"]["PidMode"], shown["HostConfig"]["IpcMode"]) == (f"container:{identifier}",) * 2
    for words in (("restart", "-t", "0", name), ("restart", "-t", "0", owner), ("start", name)):
        if words[0] == "start":
            assert host.ok("wait", name) == "137\n"  # its processes go with the namespace
        host.ok(*words)
    links = [host.ok("exec", each, "busybox", "readlink", "/proc/self/ns/pid") for each in (owner, name)]
    assert links[0] == links[1]
    host.ok("stop", "-t", "0", owner)
    assert "is not running" in host.fails("start", name)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--pid", "container:nothing-here"), "there is no container"),
        (("--ipc", "container:nothing-here"), "there is no container"),
        (("--pid", "container:STOPPED"), "is not running"),
        (("--ipc", "container:STOPPED"), "is not running"),
        (("--ipc", "container:PRIVATE"), "non-shareable IPC"),
        (("--pid", "container:"), "names no container"),
        (("--ipc", "container:PRIVATE", "--sysctl", "kernel.msgmax=1"), "all who share"),
    ],
)
def test_what_cannot_be_shared_is_said(
    option: tuple[str, ...], sentence: str, host: Preg, image: str, names: Names
) -> None:
    stopped, private = names(), names()
    host.ok("create", "--name", stopped, "--network", "none", "--ipc", "shareable", image, "true")
    host.ok("run", "-d", "--name", private, "--network", "none", image, "sleep", "1000")
    words = [word.replace("STOPPED", stopped).replace("PRIVATE", private) for word in option]
    assert sentence in host.fails("run", "--rm", "--network", "none", *words, image, "true", status=125)
