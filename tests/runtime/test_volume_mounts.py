"""Volumes that are file systems of their own: when they are mounted, who shares them, and that nothing is left."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime import volume_mounts
from runtime.cli.mount_options import read_mount
from runtime.errors import Fault, UsageError
from runtime.volume_mounts import Call, read_call
from runtime.volumes import Volumes
from tests.parts.mounts import below
from tests.parts.process import parent
from tests.parts.required import require_root
from tests.runtime.conftest import Preg

Names = Callable[[], str]

TMPFS = ("-o", "type=tmpfs", "-o", "device=tmpfs")


@pytest.fixture(autouse=True)
def clean(host: Preg) -> Iterator[None]:
    """Nothing may be left, and nothing mounted, of any test."""
    require_root()
    yield
    if found := host.ok("ps", "-aq").split():
        host.ok("rm", "-f", "-v", *found)
    assert below(host.home / "volumes") == []
    if found := host.ok("volume", "ls", "-q").split():
        host.ok("volume", "rm", *found)


def bind(host: Preg, name: str, folder: Path, *more: str) -> None:
    host.ok("volume", "create", "-o", "type=none", "-o", ",".join(("o=bind", *more)), "-o", f"device={folder}", name)


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({"type": "tmpfs", "device": "tmpfs"}, Call("tmpfs", "tmpfs", 0, "", 0)),
        (
            {"type": "tmpfs", "device": "tmpfs", "o": "size=100m,uid=1000,noexec,ro,rw"},
            Call("tmpfs", "tmpfs", 8, "size=100m,uid=1000", 0),
        ),
        ({"type": "none", "device": "/srv", "o": "rbind,ro,rslave"}, Call("/srv", "none", 0x5001, "", 0x84000)),
        (
            {"type": "nfs", "device": ":/export", "o": "addr=127.0.0.1,nfsvers=4,soft,ro"},
            Call(":/export", "nfs", 1, "addr=127.0.0.1,nfsvers=4,soft", 0),
        ),
        ({"type": "nfs4", "device": ":/", "o": "addr=localhost,"}, Call(":/", "nfs4", 0, "addr=127.0.0.1", 0)),
    ],
)
def test_options_become_what_mount_takes(options: dict[str, str], call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever a resolver here says of this host: it has addresses of both kinds.
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(2, 1, 6, "", ("127.0.0.1", 0))])
    assert read_call(options) == call


def test_a_server_without_an_address_is_told() -> None:
    with pytest.raises(Fault, match=r"the server nothing\.invalid of a volume has no address"):
        read_call({"type": "nfs", "device": ":/", "o": "addr=nothing.invalid"})


def test_a_file_system_of_the_network_is_mounted_as_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no server of NFS on loopback here: the call alone is looked at."""
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(volume_mounts, "mount", lambda *call: calls.append(call))
    volumes = Volumes(str(tmp_path))
    volumes.make("shared", None, {"type": "nfs", "device": ":/export", "o": "addr=10.1.2.3,rw,soft"})
    volume_mounts.mount_volume(volumes, "shared")
    assert calls == [(":/export", volumes.data("shared"), "nfs", 0, "addr=10.1.2.3,soft")]


def test_containers_share_what_is_mounted_until_the_last_has_ended(
    host: Preg, image: str, oci_runtime: str, names: Names
) -> None:
    host.ok("volume", "create", *TMPFS, "-o", "o=size=1m", "memory")
    first, second = names(), names()
    for name in (first, second):
        host.ok("run", "-d", "--runtime", oci_runtime, "--name", name, "-v", "memory:/m", image, "sleep", "1000")
    host.ok("exec", first, "sh", "-c", "echo shared > /m/file")
    assert host.ok("exec", second, "cat", "/m/file") == "shared\n"
    mounted = host.home / "volumes/memory/data"
    assert below(host.home / "volumes") == [str(mounted)]
    assert (mounted / "file").read_text() == "shared\n"
    host.ok("rm", "-f", first)
    assert host.ok("run", "--rm", "-v", "memory:/m:ro", image, "cat", "/m/file") == "shared\n"
    assert below(host.home / "volumes") == [str(mounted)]
    host.ok("stop", "-t", "0", second)
    assert below(host.home / "volumes") == []
    assert host.ok("run", "--rm", "-v", "memory:/m", image, "ls", "/m") == ""


def test_it_is_unmounted_where_the_supervisor_was_killed(host: Preg, image: str, names: Names) -> None:
    host.ok("volume", "create", *TMPFS, "memory")
    name = names()
    host.ok("run", "-d", "--name", name, "-v", "memory:/m", image, "sleep", "1000")
    os.kill(parent(int(host.ok("inspect", "-f", "State.Pid", name))), signal.SIGKILL)
    host.ok("run", "--rm", image, "true")
    assert below(host.home / "volumes") == []
    assert host.ok("inspect", "-f", "State.Running", name) == "false\n"


def test_what_was_mounted_stays_when_the_volume_is_removed(
    host: Preg, image: str, tmp_path: Path, names: Names
) -> None:
    (tmp_path / "kept").write_text("kept")
    bind(host, "local", tmp_path)
    name = names()
    host.ok("run", "--rm", "-v", "local:/data", image, "sh", "-c", "echo new > /data/new")
    host.ok("create", "--name", name, "-v", "local:/data", image, "cat", "/data/new")
    assert host.ok("start", "-a", name) == "new\n"
    host.ok("cp", f"{name}:/data/kept", f"{tmp_path}/copied")
    host.ok("rm", "-v", name)
    # As if a command had been killed that had mounted it.
    subprocess.run(["mount", "--bind", tmp_path, host.home / "volumes/local/data"], check=True)
    host.ok("volume", "rm", "local")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copied", "kept", "new"]
    assert below(host.home / "volumes") == []


@pytest.mark.parametrize("options", ["o=bind,ro,noexec,nosuid", "o=ro,noexec,nosuid"])
def test_a_container_gets_a_volume_as_it_is_mounted(
    host: Preg, image: str, oci_runtime: str, tmp_path: Path, options: str
) -> None:
    words = ("-o", "type=none", "-o", f"device={tmp_path}") if "bind" in options else TMPFS
    host.ok("volume", "create", *words, "-o", options, "guarded")
    line = "while read a b c d e; do case $b in /m) echo $d;; esac; done < /proc/mounts"
    shown = host.ok("run", "--rm", "--runtime", oci_runtime, "-v", "guarded:/m", image, "sh", "-c", line)
    assert {"ro", "noexec", "nosuid"} <= set(shown.strip().split(","))


def test_an_empty_directory_of_the_host_is_filled(host: Preg, image: str, tmp_path: Path) -> None:
    bind(host, "local", tmp_path)
    assert host.ok("run", "--rm", "-v", "local:/etc", image, "cat", "/etc/passwd").startswith("root:")
    assert (tmp_path / "passwd").read_text().startswith("root:")


def test_what_cannot_be_mounted_is_told_and_nothing_stays(host: Preg, image: str, tmp_path: Path, names: Names) -> None:
    bind(host, "gone", tmp_path / "nothing")
    host.ok("volume", "create", "-o", "type=nothing", "-o", "device=x", "unknown")
    said = host.fails("run", "--rm", "-v", "gone:/m", image, "true", status=125)
    assert said == (
        f"the volume gone cannot be mounted: type=none device={tmp_path}/nothing o=bind: No such file or directory"
    )
    assert "this kernel knows no file system 'nothing'" in host.fails(
        "run", "--rm", "-v", "unknown:/m", image, "true", status=125
    )
    name = names()
    assert "cannot be mounted" in host.fails("create", "--name", name, "-v", "gone:/m", image)
    assert host.ok("ps", "-aq") == ""


def test_a_volume_that_is_there_keeps_its_options(host: Preg) -> None:
    host.ok("volume", "create", "plain")
    done = host.run("volume", "create", *TMPFS, "plain")
    assert (done.returncode, done.stdout) == (0, "plain\n")
    assert "was there already, with other options" in done.stderr
    assert json.loads(host.ok("volume", "inspect", "plain"))[0]["Options"] is None


def test_a_volume_is_made_by_the_mount_that_first_names_it(host: Preg, image: str) -> None:
    fields = "type=volume,src=made,dst=/m,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=b"
    options = '"volume-opt=o=size=1m,mode=700"'
    host.ok("run", "--rm", "--mount", f"{fields},{options}", image, "sh", "-c", "echo x > /m/x")
    (known,) = json.loads(host.ok("volume", "inspect", "made"))
    assert known["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=700"}
    assert known["Labels"] == {"a": "b"}


def test_a_part_of_a_volume_is_mounted(host: Preg, image: str, oci_runtime: str, names: Names) -> None:
    host.ok("run", "--rm", "-v", "whole:/w", image, "sh", "-c", "mkdir -p /w/a/b; echo x > /w/a/b/c; ln -s /etc /w/out")
    words = ("run", "--rm", "--runtime", oci_runtime, "--mount")
    part = "type=volume,src=whole,dst=/p,volume-subpath"
    assert host.ok(*words, f"{part}=a/b", image, "ls", "/p") == "c\n"
    assert host.ok(*words, f"{part}=a/b/c", image, "cat", "/p") == "x\n"
    assert "there is no nothing to mount at /p" in host.fails(*words, f"{part}=nothing", image, "true", status=125)
    # A link leads nowhere but within the volume.
    assert "there is no out to mount at /p" in host.fails(*words, f"{part}=out", image, "true", status=125)
    name = names()
    host.ok("create", "--name", name, "--mount", f"{part}=a", image, "ls", "/p/b")
    for _ in range(2):
        assert host.ok("start", "-a", name) == "c\n"
    host.ok("rm", name)
    assert host.ok("run", "--rm", "-v", "whole:/w", image, "cat", "/w/a/b/c") == "x\n"


@pytest.mark.parametrize("path", ["/a", "../a", "a/../.."])
def test_a_part_is_named_within_its_volume(path: str) -> None:
    with pytest.raises(UsageError, match="volume-subpath is a path within it"):
        read_mount(f"type=volume,src=data,dst=/d,volume-subpath={path}")


def test_what_takes_no_room_here_is_neither_counted_nor_pruned(host: Preg, image: str, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    bind(host, "local", tmp_path)
    host.ok("volume", "create", "plain")
    host.ok("run", "--rm", "-v", "local:/m", image, "true")
    assert host.ok("system", "df", "--format", '{{if eq .Type "Local Volumes"}}{{.TotalCount}}{{end}}').strip() == "1"
    host.ok("volume", "prune", "--all", "-f")
    assert host.ok("volume", "ls", "-q") == "local\n"


def test_what_stays_mounted_though_nobody_needs_it_is_found_and_mended(
    host: Preg, image: str, tmp_path: Path, names: Names
) -> None:
    bind(host, "local", tmp_path)
    subprocess.run(["mount", "--bind", tmp_path, host.home / "volumes/local/data"], check=True)
    done = host.run("system", "check")
    assert (done.returncode, done.stdout.count("the volume local is mounted, and no container needs that")) == (1, 1)
    host.ok("system", "check", "--repair")
    assert below(host.home / "volumes") == []
    name = names()
    host.ok("run", "-d", "--name", name, "-v", "local:/m", image, "sleep", "1000")
    assert host.ok("system", "check") == "all is well\n"
