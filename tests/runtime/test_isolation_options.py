"""What the options about isolation, limits and identity say, and what they refuse."""

import contextlib
import json
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bundle import Wishes, build
from runtime.capabilities import ALL, DEFAULT, grant
from runtime.cli.container_options import OPTIONS, read_wishes
from runtime.cli.identity_options import read_host
from runtime.cli.isolation_options import read_device, read_sysctl, read_tmpfs
from runtime.cli.options import Usage
from runtime.cli.quantities import read_cpus, read_number, read_size
from runtime.errors import Fault, UsageError
from runtime.host_files import hosts_lines, resolv_conf
from runtime.image_config import Process
from runtime.isolation import Isolation
from runtime.record import plain, read
from runtime.resources import Resources
from runtime.seccomp_profile import Host, parse_default, parse_profile, resolve
from runtime.ulimits import UNLIMITED, Ulimit, read_ulimit
from runtime.users import User
from tests.parts.required import ROOT

USAGE = Usage("run", "", OPTIONS, operands=(1, 1), command_follows=True)
DEFAULT_PROFILE = (ROOT / "runtime/seccomp_default.txt").read_text()
ANYTHING = st.text(max_size=30)


def wishes(*words: str) -> Wishes:
    """What was asked for by these words before the image's name."""
    return read_wishes(USAGE.parse([*words, "image"]), host_network=False)


def made(*words: str, swap: bool = True) -> dict[str, Any]:
    """The configuration of a container with these options, on a host that could give everything."""
    asked = wishes(*words)
    granted = grant(asked.cap_add, asked.cap_drop, ALL, privileged=asked.privileged)
    isolation = Isolation(granted, None, [], [], [], "", "", cgroup_namespace=False, swap=swap)
    image, root = Process(cmd=["sh"]), User(0, 0, (), "/root")
    places = {"control_group": "/preg/abc", "hostname": "abc", "root": "/r", "network_namespace": "/n"}
    return build(image, asked, root, files=(), isolation=isolation, joined={}, **places)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("0", 0), ("64", 64), ("64b", 64), ("1k", 1024), ("1K", 1024), ("1kb", 1024), ("2KiB", 2048)),
        *(("64m", 64 << 20), ("1.5g", 3 << 29), ("1 g", 1 << 30), ("1t", 1 << 40), ("0.5k", 512), ("1.0m", 1 << 20)),
    ],
)
def test_sizes_are_dockers(text: str, expected: int) -> None:
    assert read_size("-m", text) == expected


@pytest.mark.parametrize("text", ["", "m", "-1", "1.m", ".5m", "1x", "1mm", "1e3", "\u0661m", "1m ", "1_0", "9" * 30])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a size is"):
        read_size("-m", text)


@given(st.integers(0, 2**40), st.sampled_from(["", "b", "k", "kb", "KiB", "m", "M", "g"]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str) -> None:
    factor = {"k": 10, "m": 20, "g": 30}.get(unit[:1].lower(), 0)
    assert read_size("-m", f"{number}{unit}") == number << factor


@given(st.integers(0, 10**12))
def test_processors_are_counted_in_billionths(nanos: int) -> None:
    assert read_cpus("--cpus", f"{nanos // 10**9}.{nanos % 10**9:09}") == nanos


@pytest.mark.parametrize("text", ["", ".", "-1", "1.0000000001", "1,5", "x", "1e1", "inf"])
def test_what_is_no_number_of_processors_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a number of processors is"):
        read_cpus("--cpus", text)


@given(st.integers(-(2**62), 2**62))
def test_numbers_keep_to_their_bounds(number: int) -> None:
    if -1000 <= number <= 1000:
        assert read_number("--oom-score-adj", str(number), -1000, 1000) == number
    else:
        with pytest.raises(UsageError, match="whole number from -1000 to 1000"):
            read_number("--oom-score-adj", str(number), -1000, 1000)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_limit_is_read_as_it_was_written(soft: int, more: int) -> None:
    assert read_ulimit(f"nofile={soft}:{soft + more}") == Ulimit("nofile", soft, soft + more)
    assert read_ulimit(f"core={soft}") == Ulimit("core", soft, soft)
    assert read_ulimit(f"core={soft}:-1") == Ulimit("core", soft, UNLIMITED)
    if more:
        with pytest.raises(UsageError, match="must not be above"):
            read_ulimit(f"nofile={soft + more}:{soft}")


@pytest.mark.parametrize(
    "text", ["", "nofile", "nofile=", "nofile=x", "nofile=1:", "nofile=1:2:3", "files=1", "core=-2"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--ulimit"):
        read_ulimit(text)


def test_a_limit_above_ours_is_refused_where_it_would_fail() -> None:
    _, ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    Ulimit("nofile", 1, ours).check()
    with pytest.raises(Fault, match=rf"this host lets preg set at most {ours}"):
        Ulimit("nofile", 1, ours + 1).check()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/fuse", ("/dev/fuse", "/dev/fuse", "rwm")),
        ("/dev/fuse:/dev/x", ("/dev/fuse", "/dev/x", "rwm")),
        ("/dev/fuse:r", ("/dev/fuse", "/dev/fuse", "r")),
        ("/dev/fuse:/dev/x:rw", ("/dev/fuse", "/dev/x", "rw")),
    ],
)
def test_a_device_is_read_as_docker_reads_it(text: str, expected: tuple[str, str, str]) -> None:
    device = read_device(text)
    assert (device.source, device.target, device.access) == expected


@pytest.mark.parametrize("text", ["", "fuse", "/a:b", "/a:/b:x", "/a:/b:rr", "/a:/b:/c", "/a:/b:r:w", "/a:"])
def test_what_is_no_device_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a device is"):
        read_device(text)


def test_the_options_of_a_tmpfs_are_dockers_with_what_was_given_instead() -> None:
    assert set(read_tmpfs("/x").options) == {"nosuid", "nodev", "noexec"}
    assert set(read_tmpfs("/x/:exec,size=1m,ro").options) == {"nosuid", "nodev", "exec", "ro", "size=1m"}
    assert read_tmpfs("/a/../b").target == "/b"
    for text in ("", "x", "/", "/x:foo", "/x:size=", "/x:bind", "/x:size", "/x:exec=1", "/x:context=a"):
        with pytest.raises(UsageError, match="--tmpfs"):
            read_tmpfs(text)


@pytest.mark.parametrize("text", ["", "net.x", "kernel.hostname=x", "vm.swappiness=1", "net./../../kernel/x=1", "=1"])
def test_what_is_of_the_whole_host_cannot_be_set(text: str) -> None:
    with pytest.raises(UsageError, match="--sysctl"):
        read_sysctl(text)


def test_a_setting_of_a_namespace_that_is_the_hosts_cannot_be_set() -> None:
    assert wishes("--sysctl", "net.core.somaxconn=1").sysctls == {"net.core.somaxconn": "1"}
    with pytest.raises(UsageError, match="for all who share the namespace"):
        wishes("--ipc", "host", "--sysctl", "kernel.msgmax=1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db:10.0.0.1", "db:10.0.0.1"),
        ("db=10.0.0.1", "db:10.0.0.1"),
        ("db:::1", "db:::1"),
        ("db=[::1]", "db:::1"),
        ("db:[fe80::1]", "db:fe80::1"),
        ("host:host-gateway", "host:host-gateway"),
    ],
)
def test_a_host_is_read_as_docker_reads_it(text: str, expected: str) -> None:
    assert read_host(text) == expected


@pytest.mark.parametrize("text", ["", "db", "db:", ":10.0.0.1", "db:10.0.0", "a b:10.0.0.1", "db:10.0.0.1\n1.1.1.1"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--add-host"):
        read_host(text)


@given(ANYTHING)
def test_no_text_whatever_makes_more_than_a_fault(text: str) -> None:
    for reader in (read_ulimit, read_device, read_tmpfs, read_sysctl, read_host):
        with contextlib.suppress(UsageError):
            reader(text)
    for option in ("--memory", "--cpus", "--cap-add", "--ipc", "--dns", "--hostname", "--cpuset-cpus", "--pids-limit"):
        with contextlib.suppress(UsageError):
            wishes(f"{option}={text}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("-m", "1m"), "at least 6m"),
        (("--memory-swap", "100m"), "needs --memory too"),
        (("-m", "100m", "--memory-swap", "50m"), "cannot be less than --memory"),
        (("-m", "10m", "--memory-reservation", "20m"), "cannot be more than --memory"),
        (("--cpus", "1000000"), "for so many processors are there"),
        (("--cpus", "1", "--cpu-quota", "5000"), "use one way or the other"),
        (("--cpu-period", "10"), "cannot be less than 1000"),
        (("--cpu-quota", "10"), "cannot be less than 1000"),
        (("--blkio-weight", "5"), "from 10 to 1000"),
        (("--blkio-weight-device", "/dev/vda:1001"), "it is a whole number from 10 to 1000"),
        (("--device-read-bps", "vda:1m"), "it is DEVICE:RATE, with a path below /dev"),
        (("--device-write-iops", "/dev/vda:-1"), "--device-write-iops"),
        (("--device-cgroup-rule", "c 1:1"), "it is 'TYPE MAJOR:MINOR ACCESS'"),
        (("--device-cgroup-rule", "c 4294967296:1 r"), "it is 'TYPE MAJOR:MINOR ACCESS'"),
        (("--annotation", "a"), "it is NAME=VALUE"),
        (("--gpus", "device="), "--gpus device=: say which"),
        (("--gpus", "0"), "is no number of GPUs"),
        (("--gpus", "driver=nvidia"), "say which"),
        (("--gpus", "all,nothing=x"), "nothing=x is not known"),
        (("--device", "nvidia.com/gpu="), "a device is HOST"),
        (("--storage-opt", "size=1g"), "has no size of its own"),
        (("--cpuset-cpus", "0-"), "a list is such as"),
        (("--cap-add", "FOO"), "no such capability"),
        (("--security-opt", "x"), "--security-opt 'x'"),
        (("--security-opt", "no-new-privileges=maybe"), "--security-opt"),
        (("--pid", "nothing"), "--pid nothing: it is host or container:NAME"),
        (("--userns", "keep-id"), "it is host"),
        (("--hostname", "a b"), "neither spaces"),
        (("--dns", "x"), "a name server is an IP address"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        wishes(*words)


def test_capabilities_are_added_to_and_dropped_from_the_default() -> None:
    def granted(*words: str) -> set[str]:
        return set(made(*words)["process"]["capabilities"]["bounding"])

    assert granted() == set(DEFAULT)
    assert granted("--cap-add", "net_admin", "--cap-drop", "CAP_CHOWN") == {*DEFAULT, "CAP_NET_ADMIN"} - {"CAP_CHOWN"}
    assert granted("--cap-add", "all", "--cap-drop", "SYS_ADMIN") == {*ALL} - {"CAP_SYS_ADMIN"}
    assert granted("--cap-drop", "ALL", "--cap-add", "KILL") == {"CAP_KILL"}
    assert granted("--cap-drop", "ALL") == set()
    assert granted("--privileged", "--cap-drop", "ALL") == set(ALL)
    assert grant((), (), ["CAP_KILL"], privileged=False) == ["CAP_KILL"]


def test_privileged_opens_everything() -> None:
    linux, mounts = (
        made("--privileged")["linux"],
        {each["destination"]: each for each in made("--privileged")["mounts"]},
    )
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert not {"maskedPaths", "readonlyPaths", "seccomp"} & linux.keys()
    assert "ro" not in mounts["/sys"]["options"] + mounts["/sys/fs/cgroup"]["options"]
    still = {each["destination"]: each for each in made("--privileged", "--read-only")["mounts"]}
    assert "ro" in still["/sys"]["options"]


def test_limits_are_written_for_the_control_group() -> None:
    def limits(*words: str, swap: bool = True) -> dict[str, Any]:
        resources: dict[str, Any] = made(*words, swap=swap)["linux"]["resources"]
        return {name: value for name, value in resources.items() if name != "devices"}

    assert limits() == {}
    assert limits("-m", "64m") == {"memory": {"limit": 64 << 20, "swap": 128 << 20}}
    assert limits("-m", "64m", "--memory-swap", "-1") == {"memory": {"limit": 64 << 20, "swap": -1}}
    assert limits("-m", "64m", "--memory-swap", "64m", swap=False) == {"memory": {"limit": 64 << 20}}
    assert limits("--cpus", "0.5") == {"cpu": {"period": 100_000, "quota": 50_000}}
    assert limits("-c", "512", "--cpuset-cpus", "0-1,3") == {"cpu": {"shares": 512, "cpus": "0-1,3"}}
    assert limits("--pids-limit", "7") == {"pids": {"limit": 7}}
    assert limits("--pids-limit", "-1") == limits("--pids-limit", "0") == {}


def test_what_was_asked_outlives_its_writing_and_needs_nothing_of_an_older_preg() -> None:
    words = ("-m", "64m", "--ulimit", "core=0", "--device", "/dev/fuse", "--tmpfs", "/x", "--sysctl", "net.a=1")
    asked = wishes(*words, "--oom-score-adj", "-5", "--add-host", "a:1.1.1.1")
    assert read(Wishes, json.loads(json.dumps(plain(asked)))) == asked
    assert read(Wishes, {"command": ["sh"]}).resources == Resources()


def test_name_servers_replace_the_hosts() -> None:
    text = "# mine\nnameserver 10.0.0.1\ndomain a\nsearch a b\noptions ndots:1\n"
    assert resolv_conf(text, (), (), ()) == text
    assert resolv_conf(text, ["9.9.9.9"], (), ()) == text.replace("nameserver 10.0.0.1\n", "") + "nameserver 9.9.9.9\n"
    assert resolv_conf(text, (), ["."], ()) == "# mine\nnameserver 10.0.0.1\noptions ndots:1\n"
    assert resolv_conf("", ["::1"], ["c"], ["edns0"]) == "nameserver ::1\nsearch c\noptions edns0\n"
    assert hosts_lines(["a:::1", "b:host-gateway"], "10.0.0.1") == "::1\ta\n10.0.0.1\tb\n"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64", "s390x", "ppc64le", "loongarch64"])
def test_the_default_profile_knows_every_architecture(machine: str) -> None:
    profile = parse_default(DEFAULT_PROFILE)
    plain = resolve(profile, Host(machine, "6.1", frozenset(DEFAULT)))
    rules = {(name, bool(rule.get("args"))): rule for rule in plain["syscalls"] for name in rule["names"]}
    assert plain["defaultAction"] == "SCMP_ACT_ERRNO"
    assert ("chroot", False) in rules
    assert not {
        ("mount", False),
        ("unshare", False),
        ("bpf", False),
        ("clone", False),
        ("io_uring_setup", False),
    } & set(rules)
    assert rules["clone3", False]["errnoRet"] == 38
    assert rules["clone", True]["args"][0]["index"] == (1 if machine == "s390x" else 0)
    powerful = resolve(profile, Host(machine, "6.1", frozenset(ALL)))
    allowed = {name for rule in powerful["syscalls"] for name in rule["names"] if not rule.get("args")}
    assert {"mount", "unshare", "bpf", "clone", "clone3", "reboot", "init_module"} <= allowed
    assert ("arch_prctl" in allowed) == (machine == "x86_64")


@given(
    st.dictionaries(st.sampled_from(["defaultAction", "syscalls", "archMap", "architectures"]), st.just([]) | ANYTHING)
)
def test_no_profile_whatever_makes_more_than_a_fault(values: dict[str, Any]) -> None:
    with contextlib.suppress(Fault):
        assert parse_profile(json.dumps(values), "of a test").default_action == values["defaultAction"]


def test_a_profile_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("{}")
    with pytest.raises(Fault, match=r"the seccomp profile .*/profile cannot be read"):
        wishes("--security-opt", f"seccomp={tmp_path}/profile")
