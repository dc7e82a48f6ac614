"""What a process sees and may do in a container, compared with what it sees and may do in Docker's.

Every difference that is allowed is listed, with its reason.
"""

import ctypes
import functools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runtime import cgroup, seccomp
from runtime.bundle import Wishes
from runtime.cli.host_config import describe_isolation
from runtime.config import DIRECTORIES, EROFS
from tests.parts import cgroups
from tests.parts.docker import Docker
from tests.parts.images import File, Image, busybox, layer, push
from tests.parts.required import ROOT
from tests.parts.server import Server
from tests.runtime.conftest import Preg

pytestmark = pytest.mark.xdist_group("docker")

PROBE = Path(__file__).with_name("probe.py").read_bytes()
PROFILE = Path(__file__).with_name("seccomp.json")
#: Address families that Linux has no more, AF_ALG and AF_VSOCK.
FAMILIES = "3|4|5|6|11|12|19|20|23|25|34|37|38|40"
#: What may be different, as part and name; the reasons are why that is no weaker than Docker.
DIFFERENCES = {
    r"mounts /": "the root: its options name no more than which layers it has",
    r"mounts /etc/(hosts|hostname|resolv\.conf)": "files of two homes, on whatever file system these are",
    r"mounts /(usr|lib.*)": "the same directory of the host, mounted by two programs",
    r"mounts /sys/fs/cgroup.*": "crun mounts its own tmpfs above the hierarchies, with other limits",
    r"mounts /proc/(interrupts|keys|timer_list|kcore|sched_debug|latency_stats)": "crun masks with its own null device",
    r"mounts /(proc|sys)/.*": "crun's read-only and masked paths have other options",
    r"devices /dev/core": "crun makes this link to /proc/kcore, which is masked",
    r"secrets /proc/interrupts": "masked as by Docker 29; 20.10 shows it",
    r"secrets /sys/devices/.*": "masked as by Docker 29; 20.10 shows it",
    r"calls (io_uring_\w+)": "forbidden as by Docker 29; 20.10 allows it",
    r"calls (pkey_\w+|name_to_handle_at)": "allowed as by Docker 29; 20.10 forbids it",
    r"calls (cachestat|fchmodat2|futex_\w+|map_shadow_stack|mseal|\w+xattrat)": "known to Docker 29 only",
    r"calls (list|stat)mount": "known to Docker 29 only",
    rf"calls socket of family ({FAMILIES})": "forbidden as by Docker 29; 20.10 allows it",
    r"calls socket": "of a family that there is not: forbidden as by Docker 29; 20.10 has the kernel say so",
    r"calls process_vm_\w+": "allowed as by Docker 29 on every kernel since 4.8; 20.10 forbids them",
    r"calls set_mempolicy_home_node": "known to Docker 29 only, and forbidden there",
    r"devices /dev/null": "crun gives the user the container's own, when that is its standard input",
    r"device_rules use c 10:200": "runc before 1.2 always allows /dev/net/tun",
}
#: Where preg is stricter than an older Docker, it must be so.
STRICTER = {
    r"calls io_uring_\w+": "EPERM",
    rf"calls socket of family ({FAMILIES})": "EPERM",
    r"calls set_mempolicy_home_node": "EPERM",
    r"secrets /proc/interrupts": "empty",
}
#: Options, and what of the probe they are about: the rest is compared as well.
OPTIONS: dict[str, list[str]] = {
    "default": [],
    "user": ["--user", "1000:7", "--group-add", "9", "--init"],
    "no capability": ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    "few capabilities": ["--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "CAP_SYS_TIME"],
    "administrator": ["--cap-add", "SYS_ADMIN", "--cap-drop", "mknod"],
    "unconfined": ["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"],
    "a profile of one's own": ["--security-opt", f"seccomp={PROFILE}"],
    "read-only": ["--read-only", "--tmpfs", "/x:size=1m,mode=700,exec", "--shm-size", "1m"],
    "devices": ["--device", "/dev/fuse:/dev/x:rw", "--device", "/dev/net", "--ipc", "none"],
    "limits": [
        *("-m", "64m", "--memory-reservation", "32m", "--memory-swap", "100m", "--pids-limit", "100"),
        *("--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0"),
        *("--ulimit", "nofile=300:3000", "--ulimit", "core=0", "--oom-score-adj", "100"),
    ],
    "settings": [
        *("--cpu-period", "50000", "--cpu-quota", "20000", "--domainname", "example.org"),
        *("--sysctl", "kernel.msgmax=1000", "--sysctl", "net.core.somaxconn=77"),
    ],
    "namespaces of the host": ["--pid", "host", "--ipc", "host", "--uts", "host"],
}
#: Where every system call is tried.
CALLS = ("default", "no capability", "few capabilities", "administrator", "unconfined", "a profile of one's own")


@pytest.fixture(scope="module")
def image(server: Server, host: Preg) -> str:
    """The name of an image with the probe, which the host's own Python is to run."""
    links = {name: File(link=f"usr/{name}") for name in ("lib", "lib64") if Path("/", name).is_symlink()}
    shell = busybox()
    made = Image((*shell.tars, layer({"probe.py": File(PROBE), "usr/.keep": File(), **links})), shell.settings)
    name = f"{server.address}/tests/probe:1"
    push(server, "tests/probe", "1", made)
    host.ok("pull", name)
    return name


@pytest.fixture(scope="module")
def seen_in_docker(engine: Docker, image: str) -> Any:
    """What the probe sees in Docker's containers, by the words of an entry of OPTIONS."""
    engine("pull", image)
    return functools.cache(lambda name: flat(engine("run", "--rm", *words(name), image, *probe(name))))


def words(name: str) -> list[str]:
    named = [] if name == "namespaces of the host" else ["--hostname", "same"]
    return ["--network", "none", "-v", "/usr:/usr:ro", *named, *OPTIONS[name]]


def probe(name: str) -> list[str]:
    calls = [json.dumps(numbers())] if name in CALLS else []
    return ["/usr/bin/python3", "-I", "-S", "/probe.py", *calls]


@functools.cache
def numbers() -> dict[str, int]:
    """The system calls of this architecture."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_arch_native.restype = ctypes.c_uint32
    resolve = library.seccomp_syscall_resolve_num_arch
    resolve.restype = ctypes.c_char_p
    native = library.seccomp_arch_native()
    named = ((resolve(ctypes.c_uint32(native), number), number) for number in range(470))
    return {name.decode() if name else f"number {number}": number for name, number in named}


def flat(said: str) -> dict[str, str]:
    """What a probe has said, with namespaces as the host's or not."""
    parts = json.loads(said)
    for name, own in parts["namespaces"].items():
        parts["namespaces"][name] = "the host's" if own == os.readlink(f"/proc/self/ns/{name}") else "its own"
    return {f"{part} {name}": value for part, values in parts.items() for name, value in values.items()}


def compare(under_docker: dict[str, str], under_preg: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """What is different without a reason."""
    return {
        key: (under_docker.get(key), under_preg.get(key))
        for key in under_docker.keys() | under_preg.keys()
        if under_docker.get(key) != under_preg.get(key)
        and not any(re.fullmatch(pattern, key) for pattern in DIFFERENCES)
    }


@pytest.mark.parametrize("name", OPTIONS)
def test_a_process_sees_and_may_do_what_it_does_under_docker(
    name: str, host: Preg, image: str, oci_runtime: str, seen_in_docker: Any
) -> None:
    under_docker = seen_in_docker(name)
    under_preg = flat(host.ok("run", "--rm", "--runtime", oci_runtime, *words(name), image, *probe(name)))
    assert compare(under_docker, under_preg) == {}


@pytest.mark.parametrize("layers", [DIRECTORIES, EROFS])
def test_how_layers_are_kept_makes_no_difference(layers: str, image: str, seen_in_docker: Any, tmp_path: Path) -> None:
    other = Preg(tmp_path / "home", layers=layers)
    other.ok("pull", image)
    under_preg = flat(other.ok("run", "--rm", *words("default"), image, *probe("default")))
    assert compare(seen_in_docker("default"), under_preg) == {}


def test_what_newer_versions_of_docker_forbid_is_forbidden(host: Preg, image: str, oci_runtime: str) -> None:
    seen = flat(host.ok("run", "--rm", "--runtime", oci_runtime, *words("default"), image, *probe("default")))
    for pattern, expected in STRICTER.items():
        assert {value for key, value in seen.items() if re.fullmatch(pattern, key)} == {expected}


def test_another_command_in_a_container_is_kept_apart_as_the_first(
    host: Preg, image: str, oci_runtime: str, engine: Docker
) -> None:
    options = ["--detach", "--rm", *words("user"), image, "sleep", "1000"]
    identifiers = [engine("run", *options).strip(), host.ok("run", "--runtime", oci_runtime, *options).strip()]
    try:
        under_docker = flat(engine("exec", identifiers[0], *probe("default")))
        under_preg = flat(host.ok("exec", identifiers[1], *probe("default")))
    finally:
        engine("rm", "--force", identifiers[0])
        host.ok("rm", "--force", identifiers[1])
    assert compare(under_docker, under_preg) == {}


#: What Docker's API has on isolation. Of what is masked each version has its own idea.
ISOLATION = set(describe_isolation(Wishes())) - {"MaskedPaths"}


@pytest.mark.parametrize(
    "options",
    [
        [],
        [
            *("-m", "64m", "--memory-reservation", "32m", "--cpus", "1.5", "--pids-limit", "7", "-c", "512"),
            *("--ulimit", "nofile=3:4", "--ulimit", "core=-1", "--oom-score-adj", "5", "--shm-size", "1m"),
            *("--cap-add", "net_admin", "--cap-drop", "CHOWN", "--security-opt", "no-new-privileges", "--read-only"),
            *("--device", "/dev/fuse:/dev/x:r", "--tmpfs", "/x:size=1m", "--sysctl", "kernel.msgmax=5", "--init"),
            *("--add-host", "a:1.1.1.1", "--dns", "9.9.9.9", "--dns-search", "b.c", "--dns-option", "ndots:2"),
            *("-u", "user", "--group-add", "9", "-h", "foo", "--domainname", "d.e", "--pid", "host", "--ipc", "none"),
        ],
        ["--privileged", "--cpu-period", "5000", "--cpu-quota", "2000", "--cpuset-cpus", "0", "--uts", "host"],
    ],
)
def test_inspect_tells_what_docker_tells(options: list[str], host: Preg, image: str, engine: Docker) -> None:
    engine("pull", image)
    identifiers = [engine("create", *options, image).strip(), host.ok("create", *options, image).strip()]
    (dockers,), (ours,) = (
        json.loads(engine("inspect", identifiers[0])),
        json.loads(host.ok("inspect", identifiers[1])),
    )
    engine("rm", identifiers[0])
    host.ok("rm", identifiers[1])
    told = {name: value for name, value in ours["HostConfig"].items() if name in ISOLATION}
    docker_tells = {name: dockers["HostConfig"].get(name) for name in told}
    # Of SELinux: preg sets no labels, so it need not say when it leaves them out.
    docker_tells["SecurityOpt"] = [each for each in docker_tells["SecurityOpt"] or [] if "label" not in each] or None
    assert told == docker_tells
    for name in ("Domainname", "User"):
        assert ours["Config"][name] == dockers["Config"][name]
    if "-h" in options:
        assert ours["Config"]["Hostname"] == dockers["Config"]["Hostname"]


@pytest.mark.parametrize(
    "options",
    [
        *(
            ["-m", "1m"],
            ["-m", "x"],
            ["--memory-swap", "9m"],
            ["-m", "10m", "--memory-swap", "9m"],
            ["--cpus", "10000"],
        ),
        *(["--cpu-period", "1"], ["--cpuset-cpus", "1000"], ["--cap-add", "FOO"]),
        *(["--ulimit", "nofile=3:2"], ["--ulimit", "x=1"], ["--security-opt", "x"], ["--sysctl", "kernel.x=1"]),
        *(["--add-host", "x"], ["--dns", "x"], ["--tmpfs", "/x:foo"], ["--tmpfs", "x"], ["-u", "nobody-here"]),
        *(["--oom-score-adj", "1001"], ["--device", "/dev/fuse:/dev/x:q"], ["--ipc", "x"], ["--pid", "x"]),
        *(["--uts", "x"], ["--group-add", "nobody-here"], ["--security-opt", "seccomp=/no/such/file"]),
        *(["--cap-add", "SYS_RESOURCE"], ["--ulimit", "nofile=1000000000:1000000000"], ["--device", "/dev/no-such"]),
        *(["--device-read-bps", "/dev/no-such:1m"], ["--device-write-iops", "/dev/no-such:9"]),
    ],
    ids=" ".join,
)
def test_what_docker_refuses_is_refused_in_a_sentence(
    options: list[str], host: Preg, image: str, engine: Docker
) -> None:
    # 125, or 127 where Docker takes a missing device for a missing command.
    assert engine.run("run", "--rm", "--network", "none", *options, image, "true").returncode in (125, 127)
    assert host.fails("run", "--rm", *options, image, "true", status=125)


def test_privileged_is_root_of_the_host(host: Preg, image: str, oci_runtime: str) -> None:
    run = ["run", "--rm", "--runtime", oci_runtime, "--privileged", "-v", "/usr:/usr:ro", image]
    seen = flat(host.ok(*run, *probe("user")))
    held = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "CapPrm" in line)
    assert {seen[f"status Cap{kind}"] for kind in ("Eff", "Prm", "Bnd")} == {held}
    assert seen["status Seccomp"] == "0"
    assert "devices /dev/fuse" in seen or not Path("/dev/fuse").exists()
    assert {value for key, value in seen.items() if key.startswith("device_rules")} == {"done", "not forbidden"}
    switches = {key.split()[1]: value for key, value in seen.items() if key.startswith("switches /proc/")}
    assert {value for path, value in switches.items() if Path(path).exists()} == {"done"}
    assert "rw" in seen["mounts /sys"].split()[1].split(",")


#: Opens a socket of each family by a 32-bit call: int 0x80 with 102 (socketcall) and 1 (socket).
SOCKETCALL = """
import ctypes, errno, mmap, struct
code = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("53 89f8 89f3 89d1 cd80 4898 5b c3"))
call = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int)
call = call(ctypes.addressof(ctypes.c_char.from_buffer(code)))
low = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40)
for family in (2, 38, 40):
    low.seek(0)
    low.write(struct.pack("III", family, 2 if family == 2 else 5, 0))
    made = call(102, 1, ctypes.addressof(ctypes.c_char.from_buffer(low)))
    print("opened" if made >= 0 else errno.errorcode[-made])
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="32-bit calls of x86")
def test_no_32_bit_call_opens_what_is_closed_but_for_programs_that_know_no_other(
    server: Server, host: Preg, image: str, oci_runtime: str
) -> None:
    push(server, "tests/386", "1", Image(busybox().tars, busybox().settings, architecture="386"))
    run = ["run", "--rm", "--quiet", "--network", "none", "--runtime", oci_runtime]
    for name in ("usr", "lib", "lib64"):
        run += ["-v", f"/{name}:/{name}:ro"]
    python = ["/usr/bin/python3", "-I", "-S", "-c", SOCKETCALL]
    assert host.ok(*run, image, *python).split() == ["ENOSYS"] * 3
    open_ = ["--security-opt", f"seccomp={ROOT}/deploy/seccomp-32bit.json"]
    for words in ([*open_, image], ["--platform", "linux/386", f"{server.address}/tests/386:1"]):
        assert host.ok(*run, *words, *python).split()[0] == "opened"


def test_disks_and_device_rules_are_kept_by_the_control_group(host: Preg, image: str, oci_runtime: str) -> None:
    disk = next(path for path in Path("/sys/block").iterdir() if (Path("/dev") / path.name).is_block_device())
    numbers, options = (disk / "dev").read_text().strip(), []
    for number, what in enumerate(("read-bps", "read-iops", "write-bps", "write-iops"), start=2**20):
        options += [f"--device-{what}", f"/dev/{disk.name}:{number}"]
    options += ["--device-cgroup-rule", "c 42:* rwm", "--annotation", "a=b"]
    name = host.ok("run", "-d", "--runtime", oci_runtime, "--network", "none", *options, image, "sleep", "1000").strip()
    try:
        groups = [group for group in cgroups.of_preg() if group.name == name]
        limits = [path.read_text() for group in groups for path in group.glob("blkio.throttle.*_device")]
        limits += [path.read_text() for group in groups for path in group.glob("io.max")]
        assert all(str(number) in "".join(limits) for number in range(2**20, 2**20 + 4))
        assert numbers in "".join(limits)
        rules = [path.read_text() for group in groups for path in group.glob("devices.list")]
        assert all("c 42:* rwm" in rule for rule in rules)
        described = json.loads((host.home / "containers" / name / "config.json").read_text())
        assert described["annotations"]["a"] == "b"
    finally:
        host.ok("rm", "-f", name)


def test_a_disk_has_a_weight_where_the_kernel_has_such(host: Preg, image: str) -> None:
    disk = next(path for path in Path("/sys/block").iterdir() if (Path("/dev") / path.name).is_block_device())
    major, _, minor = (disk / "dev").read_text().strip().partition(":")
    option = ("--blkio-weight-device", f"/dev/{disk.name}:500")
    name = host.ok("create", "--network", "none", *option, image, "true").strip()
    (described,) = json.loads(host.ok("inspect", name))
    assert described["HostConfig"]["BlkioWeightDevice"] == [{"Path": f"/dev/{disk.name}", "Weight": 500}]
    started = host.run("start", name)
    if cgroup.weighs_disks():
        bundle = json.loads((host.home / "containers" / name / "config.json").read_text())
        weight = {"major": int(major), "minor": int(minor), "weight": 500}
        assert bundle["linux"]["resources"]["blockIO"]["weightDevice"] == [weight]
    else:
        assert "this kernel has no weights for the use of disks" in started.stderr
    host.ok("rm", "-f", name)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/no-such"])
def test_a_limit_of_what_is_no_disk_is_refused(path: str, host: Preg, image: str) -> None:
    said = host.fails("run", "--rm", "--network", "none", "--device-read-bps", f"{path}:1m", image, "true", status=125)
    assert said.startswith(f"--device-read-bps {path}: ")


def test_a_filter_is_made_once_and_then_found(preg: Preg, server: Server, oci_runtime: str) -> None:
    push(server, "tests/once", "1", busybox())
    run = ["run", "--rm", "--runtime", oci_runtime, f"{server.address}/tests/once:1", "cat", "/proc/self/status"]
    assert "Seccomp:\t2" in preg.ok(*run)
    (made,) = (preg.state / "seccomp").iterdir()
    before = made.stat()
    was = (before.st_ino, before.st_mtime_ns)
    assert "Seccomp:\t2" in preg.ok(*run)
    assert (made.stat().st_ino, made.stat().st_mtime_ns) == was
    # Without what was made, or with half of it, it is made again.
    made.write_bytes(made.read_bytes()[:100])
    assert "Seccomp:\t2" in preg.ok(*run)
    assert made.stat().st_size == before.st_size


def test_the_filter_of_another_version_is_not_taken(
    preg: Preg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runnable: str
) -> None:
    default = tmp_path / "runtime/seccomp_default.txt"
    default.parent.mkdir()
    default.write_bytes(Path(seccomp.__file__).with_name(default.name).read_bytes())
    monkeypatch.setattr(seccomp, "_DEFAULT", str(default))

    def names() -> set[str]:
        """Those of all filters that are kept, after another look for one."""
        for engine in ("crun", "runc"):
            for wanted in (("", [], ""), ("", ["CAP_SYSLOG"], ""), ("", [], "386"), (PROFILE.read_text(), [], "")):
                found = seccomp.find_filter(seccomp.Wanted(*wanted), engine, str(preg.state))
                if engine == "crun":
                    assert found.profile == {"defaultAction": "SCMP_ACT_ERRNO"}, "who takes no program is unfiltered"
                assert bool(found.annotations) == (engine == "crun")
        return set(os.listdir(preg.state / "seccomp"))

    first = names()
    assert len(first) == 8
    assert names() == first
    default.write_text(default.read_text())
    second = names()
    assert len(second) == 16
    (default.parent / "new.py").touch()
    assert len(names()) == 24


def test_where_no_control_groups_can_be_made_crun_does_without(host: Preg, image: str, oci_runtime: str) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        make_read_only = "for each in /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,bind,ro $each; done 2>&-; "
        command = host.command("run", "--rm", "--network", "none", "--runtime", oci_runtime, *words)
        unshared = ["unshare", "--mount", "sh", "-c", f'{make_read_only}exec "$@"', "sh", *command]
        return subprocess.run(unshared, env=host.environ, capture_output=True, text=True, check=False)

    limited = run("-m", "64m", image, "true")
    assert limited.returncode == 125
    assert "this host lets preg make none" in limited.stderr
    done = run("-v", "/usr:/usr:ro", image, *probe("user"))
    if oci_runtime.endswith("runc"):
        assert done.returncode == 125
        assert "runc needs control groups" in done.stderr
        return
    seen = flat(done.stdout)
    assert seen["status Seccomp"] == "2"
    assert {value for key, value in seen.items() if key.startswith("device_rules make")} == {"EPERM"}


def test_an_apparmor_profile_that_is_not_loaded_is_named(host: Preg, image: str, oci_runtime: str) -> None:
    # As on a host with AppArmor, as far as who lists the profiles can tell.
    pretend = "mount -t tmpfs tmpfs /sys/kernel/security && cd /sys/kernel/security && mkdir apparmor"
    pretend += " && echo 'some (enforce)' > apparmor/profiles"
    command = host.command("run", "--rm", "--runtime", oci_runtime, "--security-opt", "apparmor=other", image, "true")
    unshared = ["unshare", "--mount", "sh", "-c", f'{pretend} && exec "$@"', "sh", *command]
    done = subprocess.run(unshared, env=host.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 125
    assert done.stderr.startswith("preg: --security-opt apparmor=other: no such profile is loaded: ")


def test_control_groups_that_a_container_has_made_go_with_it(host: Preg, image: str, oci_runtime: str) -> None:
    script = "for each in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir -p $each/made/below; done; echo made; sleep 1000"
    options = ["--runtime", oci_runtime, "--privileged", "--cgroupns", "private"]
    name = host.ok("run", "-d", *options, image, "sh", "-c", script).strip()
    with host.following("logs", "-f", name) as lines:
        assert "made" in lines
    groups = [group for group in cgroups.of_preg() if group.name == name]
    assert any((group / "made/below").is_dir() for group in groups)
    host.ok("rm", "-f", name)
    assert not any(group.exists() for group in groups)
