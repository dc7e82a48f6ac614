"""What a host has and lacks, what is left over or damaged, and what a boot brings back."""

import configparser
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import runtime.host
from tests.parts import cgroups
from tests.parts.docker import Docker
from tests.parts.images import busybox, push
from tests.parts.process import ending, kill, output, parent, run
from tests.parts.required import ROOT, require_root, required
from tests.parts.server import Server
from tests.runtime.conftest import Preg

UNITS = [ROOT / "deploy/systemd/preg-restore.service", ROOT / "deploy/systemd/user/preg-restore.service"]


@pytest.fixture(scope="module")
def image(server: Server) -> str:
    push(server, "tests/busybox", "1", busybox("hello"))
    return f"{server.address}/tests/busybox:1"


@pytest.fixture(scope="module")
def pulled(image: str, tmp_path_factory: pytest.TempPathFactory) -> Preg:
    """A host with an image."""
    require_root()
    required("crun")
    preg = Preg(tmp_path_factory.mktemp("host") / "home")
    preg.ok("pull", image)
    return preg


@pytest.fixture
def host(pulled: Preg) -> Iterator[Preg]:
    """A host with an image, on which nothing is left after the test."""
    yield pulled
    pulled.clear()


def inspect(preg: Preg, name: str, field: str) -> str:
    return preg.ok("inspect", "-f", field, name).strip()


def test_info_counts_and_names_what_there_is(host: Preg, image: str) -> None:
    host.ok("create", image)
    host.ok("run", "-d", "--name", "runs", image, "sleep", "1000")
    told = json.loads(host.ok("info", "--format", "json"))
    assert (told["Containers"], told["ContainersRunning"], told["ContainersStopped"], told["Images"]) == (2, 1, 1, 1)
    assert told["DefaultRuntime"] in told["Runtimes"]
    assert told["Runtimes"]["crun"]["version"] == output("crun", "--version").splitlines()[0].split()[-1]
    assert told["KernelVersion"] == os.uname().release
    assert told["DockerRootDir"] == str(host.home)
    assert host.ok("info", "--format", "OSType,Containers") == "linux\t2\n"
    said = host.ok("info")
    assert f"\n Kernel Version: {os.uname().release}\n" in said
    assert "\nServer:\n Containers: 2\n  Running: 1\n  Paused: 0\n  Stopped: 1\n Images: 1\n" in said
    assert "there is no field 'Nothing'" in host.fails("info", "--format", "Nothing", status=2)
    assert host.ok("info", "-f", "{{.ContainersRunning}} {{.CgroupDriver}}") == f"1 {told['CgroupDriver']}\n"
    assert json.loads(host.ok("info", "-f", "{{json .}}")).keys() == told.keys()
    assert "can't evaluate field Nothing in type system.dockerInfo" in host.fails("info", "-f", "{{.Nothing}}")


@pytest.mark.xdist_group("docker")
def test_info_agrees_with_docker(docker: Docker, preg: Preg) -> None:
    docker_info = json.loads(docker("info", "--format", "{{json .}}"))
    told = json.loads(preg.ok("info", "--format", "json"))
    same = ("CgroupVersion", "KernelVersion", "OperatingSystem", "OSType", "Architecture", "NCPU", "MemTotal", "Name")
    assert {name: told[name] for name in same} == {name: docker_info[name] for name in same}
    # What docker says in words it says under the same heads.
    heads = [line.partition(":")[0] for line in docker("info").splitlines()]
    own = [line.partition(":")[0] for line in preg.ok("info").splitlines()]
    # Docker 20.10 does not tell the version of its client here.
    assert {*own} - {*heads} <= {"  Layers", " State Dir", " Version"}


@pytest.mark.xdist_group("docker")
def test_the_versions_have_dockers_form(docker: Docker, preg: Preg) -> None:
    theirs, ours = (json.loads(run("version", "--format", "{{json .}}")) for run in (docker, preg.ok))
    assert theirs.keys() == ours.keys()
    assert ours["Server"]["Os"] == theirs["Server"]["Os"]
    assert ours["Server"]["Arch"] == theirs["Server"]["Arch"]
    assert ours["Server"]["Components"][0].keys() == theirs["Server"]["Components"][0].keys()
    for words in ("{{.Server.Os}}/{{.Server.Arch}}", "{{.Client.Os}}", "{{with .Server}}{{.KernelVersion}}{{end}}"):
        assert preg.ok("version", "-f", words).strip() == docker("version", "-f", words).strip()
    assert preg.ok("version").splitlines()[:1] == docker("version").splitlines()[:1] == ["Client:"]
    assert "\nServer:\n Engine:\n  Version: " in preg.ok("version")


def test_what_a_host_lacks_is_named_with_its_cure(preg: Preg) -> None:
    required("crun")  # a host that lacks it may lack more
    # Where Debian has its runtimes is looked at whatever PATH says, so a name that cannot be there stands in.
    code = (
        "import sys; from runtime import engine; engine.KNOWN = ('crun-gone',);"
        "from runtime.cli import main; sys.exit(main(sys.argv[1:]))"
    )

    sentence = "no OCI runtime is installed, so no container runs: apt install crun-gone\n"
    done = run(sys.executable, "-c", code, "system", "check", env=preg.environ)
    assert (done.returncode, done.stdout, done.stderr) == (1, sentence, "")
    done = run(sys.executable, "-c", code, "info", env=preg.environ)
    assert (done.returncode, done.stderr) == (0, f"WARNING: {sentence}")
    assert "Warnings: no OCI runtime is installed" in done.stdout


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder to mount something at, which is not there any more after the test."""
    require_root()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    yield folder
    output("umount", str(folder))


def test_a_home_on_an_overlay_holds_images_and_says_why_no_containers(
    image: str, elsewhere: Path, tmp_path: Path
) -> None:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    output("mount", "-t", "overlay", "-o", options, "preg-test", str(elsewhere))
    preg = Preg(elsewhere / "home")
    preg.ok("pull", image)
    assert "'preg system check' tells what this host lacks" in preg.fails("run", "--rm", image, status=125)
    assert "is on an overlay file system" in preg.run("system", "check").stdout
    assert preg.left() == []


def test_a_home_that_cannot_be_written_to_can_be_looked_at(image: str, elsewhere: Path) -> None:
    output("mount", "-t", "tmpfs", "preg-test", str(elsewhere))
    preg = Preg(elsewhere / "home")
    preg.ok("pull", image)
    output("mount", "-o", "remount,ro", str(elsewhere))
    told = json.loads(preg.ok("info", "--format", "json"))
    assert told["Images"] == 1
    assert "Read-only file system" in dict(told["DriverStatus"])["Layers"]


@pytest.mark.parametrize(("modules", "there"), [("kernel/fs/overlayfs/overlay.ko.xz:\n", True), ("", False)])
def test_a_file_system_that_the_kernel_will_load_is_not_lacking(
    modules: str, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.host, "_FILE_SYSTEMS", tmp_path / "filesystems")
    monkeypatch.setattr(runtime.host, "_MODULES", tmp_path)
    (tmp_path / "filesystems").write_text("nodev\tproc\n\text4\n")
    (tmp_path / os.uname().release).mkdir()
    (tmp_path / os.uname().release / "modules.dep").write_text(modules)
    assert runtime.host.has_overlay() is there


def test_the_version_is_the_installed_one(preg: Preg) -> None:
    line = preg.ok("--version")
    version = line.removeprefix("preg version ").strip()
    assert preg.ok("-v") == line
    assert json.loads(preg.ok("version", "--format", "json"))["Server"]["Version"] == version
    assert preg.ok("version", "-f", "{{.Client.Version}}") == f"{version}\n"
    assert f" Version:           {version}\n" in preg.ok("version")
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()


# check


def check(preg: Preg, sentence: str) -> None:
    """One thing is wrong, which is told without being touched, and then mended."""
    required("crun")  # or that is wrong, too
    done = preg.run("system", "check")
    assert (done.returncode, sentence in done.stdout) == (1, True), done
    done = preg.run("system", "check", "--repair")
    assert (done.returncode, sentence in done.stdout) == (0, True), done
    assert preg.ok("system", "check") == "all is well\n"


def test_a_host_that_runs_containers_is_clean(host: Preg, image: str) -> None:
    host.ok("run", "-d", image, "sleep", "1000")
    host.ok("create", image)
    assert host.ok("system", "check") == "all is well\n"


def test_what_was_left_half_made_is_found_and_removed(preg: Preg) -> None:
    (preg.home / "new/abc/tree").mkdir(parents=True)
    check(preg, "new/abc was left half made")
    assert not (preg.home / "new/abc").exists()


def test_a_container_without_a_description_is_removed(preg: Preg) -> None:
    (preg.home / "containers" / ("a" * 64) / "upper").mkdir(parents=True)
    check(preg, "the container aaaaaaaaaaaa was left half made or half removed")
    assert list((preg.home / "containers").iterdir()) == []


def test_a_description_that_cannot_be_read_is_left_to_the_person(preg: Preg) -> None:
    folder = preg.home / "containers" / ("a" * 64)
    folder.mkdir(parents=True)
    (folder / "container.json").write_text("{")
    done = preg.run("system", "check", "--repair")
    assert done.returncode == 1
    assert "cannot be read: save what you need, and remove it" in done.stdout
    assert folder.exists()


def test_a_name_without_a_container_is_released(preg: Preg) -> None:
    (preg.home / "names").mkdir(parents=True)
    (preg.home / "names/web").symlink_to("a" * 64)
    check(preg, "the name 'web' stands for a container that is gone")
    assert not (preg.home / "names/web").is_symlink()


def test_an_address_that_cannot_be_read_hinders_nobody(preg: Preg) -> None:
    address = preg.state / "networks" / ("b" * 64) / f"10.208.0.2@{'a' * 64}"
    address.parent.mkdir(parents=True)
    address.write_text("{}")
    running = preg.state / "containers" / ("a" * 64)
    running.mkdir(parents=True)
    assert preg.ok("ps", "-aq") == ""
    assert f"{address} cannot be read: restart the container" in preg.run("system", "check").stdout
    running.rmdir()
    check(preg, "the container aaaaaaaaaaaa has the address 10.208.0.2 in a network, and does not run")
    assert not address.exists()


def test_a_container_that_lost_its_supervisor_is_ended(host: Preg, image: str) -> None:
    host.ok("run", "-d", "--name", "lost", image, "sleep", "1000")
    pid = int(inspect(host, "lost", "State.Pid"))
    with ending(pid):
        kill(parent(pid))
        check(host, "has lost its supervisor")
        assert inspect(host, "lost", "State.Status,State.ExitCode") == "exited\t137"


def test_what_the_engine_remembers_alone_is_forgotten(host: Preg, image: str) -> None:
    host.ok("run", "-d", "--name", "lost", image, "sleep", "1000")
    identifier = inspect(host, "lost", "Id")
    kept = host.state / "crun" / identifier
    shutil.copytree(kept, host.state / "kept")
    host.ok("rm", "-f", "lost")
    shutil.move(host.state / "kept", kept)
    check(host, f"crun still knows the container {identifier[:12]}")
    assert not kept.exists()


def test_control_groups_of_what_does_not_run_are_removed(host: Preg, image: str) -> None:
    identifier = host.ok("create", image).strip()
    root = next(path for path in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if Path(path, "cgroup.procs").exists())
    group = Path(root, "preg", identifier)
    group.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"]) as stray:
        (group / "cgroup.procs").write_text(str(stray.pid))
        check(host, f"the control groups of the container {identifier[:12]} are left")
        assert stray.wait() == -signal.SIGKILL
    assert not group.exists()


def test_a_mount_of_a_container_that_all_can_see_is_taken_away(host: Preg, image: str) -> None:
    identifier = host.ok("create", image).strip()
    target = host.home / "containers" / identifier / "seen"
    target.mkdir()
    output("mount", "-t", "tmpfs", "none", str(target))
    check(host, f"{target} is mounted")
    assert str(target) not in Path("/proc/self/mounts").read_text()


# restore


def reboot(preg: Preg, *names: str) -> None:
    """What a container sees of the power being cut: all processes are gone, and so is what is in memory."""
    pids = [int(pid) for pid in preg.ok("inspect", "-f", "State.Pid", *names).split()]
    kill(*(process for pid in pids for process in (parent(pid), pid)))
    for group in cgroups.of_preg():
        if (preg.home / "containers" / group.name).exists():
            group.rmdir()
    shutil.rmtree(preg.state)


def test_a_boot_brings_back_what_its_policy_says(host: Preg, image: str) -> None:
    for policy in ("no", "always", "unless-stopped", "on-failure"):
        host.ok("run", "-d", "--name", f"{policy}-runs", "--restart", policy, image, "sleep", "1000")
        host.ok("run", "-d", "--name", f"{policy}-stopped", "--restart", policy, image, "sleep", "1000")
        host.ok("create", "--name", f"{policy}-new", "--restart", policy, image, "sleep", "1000")
    host.ok("run", "-d", "--rm", "--name", "passing", image, "sleep", "1000")
    host.ok("stop", "-t", "0", *(f"{policy}-stopped" for policy in ("no", "always", "unless-stopped", "on-failure")))
    reboot(host, "no-runs", "always-runs", "unless-stopped-runs", "on-failure-runs", "passing")

    said = host.ok("system", "restore").split()
    assert said == ["always-runs", "always-stopped", "unless-stopped-runs", "on-failure-runs"]
    assert set(host.ok("ps", "--format", "Names").split()) == set(said)
    assert inspect(host, "no-runs", "State.Status,State.ExitCode") == "exited\t255"
    assert host.run("inspect", "passing").returncode == 1
    assert host.ok("system", "restore") == ""


def test_a_host_that_shuts_down_in_order_does_so_too(host: Preg, image: str) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    for policy in ("no", "unless-stopped"):
        host.ok("run", "-d", "--name", policy, "--restart", policy, image, "sh", "-c", script)
        with host.following("logs", "-f", policy) as lines:
            assert next(lines) == "ready"
        supervisor = parent(int(inspect(host, policy, "State.Pid")))
        with ending(supervisor):
            os.kill(supervisor, signal.SIGTERM)
        assert inspect(host, policy, "State.Status,State.ExitCode") == "exited\t3"
    shutil.rmtree(host.state)
    assert host.ok("system", "restore") == "unless-stopped\n"


def test_one_that_cannot_be_restored_does_not_keep_the_others(host: Preg, image: str) -> None:
    for name in ("first", "second"):
        host.ok("run", "-d", "--name", name, "--restart", "always", image, "sleep", "1000")
    (host.home / "containers" / inspect(host, "first", "Id") / "upper/bin").mkdir()
    reboot(host, "first", "second")
    whiteout = host.home / "containers" / inspect(host, "first", "Id") / "upper/bin/sleep"
    os.mknod(whiteout, 0o600 | 0o020000, os.makedev(0, 0))
    done = host.run("system", "restore")
    assert (done.returncode, done.stdout) == (1, "second\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("preg: first: the container's command was not found")


@pytest.mark.parametrize("path", UNITS)
def test_the_unit_starts_what_a_boot_brings_back(path: Path, host: Preg, image: str) -> None:
    unit = configparser.ConfigParser()
    unit.read(path)
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/bin/preg")
    host.ok("run", "-d", "--name", "web", "--restart", "always", image, "sleep", "1000")
    reboot(host, "web")
    assert host.ok(*words) == "web\n"


@pytest.mark.parametrize("path", UNITS)
def test_systemd_takes_the_unit(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_text(path.read_text().replace("/opt/preg/bin/preg", "/bin/true"))
    done = subprocess.run(
        [required("systemd-analyze"), "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
