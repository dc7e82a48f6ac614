"""Docker's seccomp profile as preg has it, and profiles of one's own: obeyed whole, or refused."""

import json
from typing import Any

import pytest

from runtime.capabilities import ALL, DEFAULT
from runtime.errors import Fault
from runtime.seccomp import check_profile
from runtime.seccomp_profile import Host, parse_default, parse_profile, resolve
from runtime.seccomp_program import compile_filter
from tests.parts.required import ROOT, TOOLS, missing

DEFAULT_PROFILE = (ROOT / "runtime/seccomp_default.txt").read_text()
#: 386 is that of an image.
MACHINES = ["x86_64", "i686", "aarch64", "armv7l", "riscv64", "s390x", "ppc64le", "loongarch64"]


def resolved(text: str, host: Host) -> set[str]:
    """What becomes of each call, with each condition on its arguments, on a host."""
    profile = parse_default(text) if text.startswith("#") else parse_profile(text, "of a test")
    found = resolve(profile, host)
    rules = {
        json.dumps([name, rule["action"], rule.get("errnoRet"), rule.get("args") or []], sort_keys=True).replace(
            ', "valueTwo": 0', ""
        )
        for rule in found.pop("syscalls")
        for name in rule["names"]
    }
    return rules | {f"{key} {value}" for key, value in found.items()}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    "capabilities", [(), DEFAULT, ALL, *((name,) for name in ALL)], ids=lambda names: str(len(names))
)
def test_the_default_profile_is_that_of_docker_29_but_for_socketcall(
    machine: str, capabilities: tuple[str, ...]
) -> None:
    path = TOOLS / "moby-seccomp.json"
    if not path.exists():
        missing(f"{path} is not there: .ci/go-tools")
    host = Host(machine, "6.1", frozenset(capabilities))
    ours, dockers = (resolved(text, host) for text in (DEFAULT_PROFILE, path.read_text()))
    opened = json.dumps(["socketcall", "SCMP_ACT_ALLOW", None, []])
    closed = json.dumps(["socketcall", "SCMP_ACT_ERRNO", 38, []])
    if machine in {"i686", "s390x"}:
        assert ours == dockers
    else:
        assert ours ^ dockers == {opened, closed}
        assert closed in ours
        assert resolved(DEFAULT_PROFILE, Host(machine, "6.1", frozenset(capabilities), "386")) == dockers


@pytest.mark.parametrize("machine", MACHINES)
def test_the_profile_for_32_bit_programs_is_the_default_with_socketcall(machine: str) -> None:
    text = (ROOT / "deploy/seccomp-32bit.json").read_text()
    for capabilities in (DEFAULT, ALL):
        hosts = [Host(machine, "6.1", frozenset(capabilities), image) for image in ("", "386")]
        assert resolved(text, hosts[0]) == resolved(DEFAULT_PROFILE, hosts[1])


RULE = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        ({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}, "allows no call execve"),
        ({"defaultAction": "SCMP_ACT_KILL"}, "allows no call execve"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "SCMP_ACT_NOTIFY"),
        ({"defaultAction": ""}, "cannot be read"),
        ({"syscalls": [RULE | {"name": "mkdirat"}]}, "both 'name' and 'names'"),
        ({"syscalls": [RULE | {"action": "SCMP_ACT_MAYBE"}]}, "SCMP_ACT_MAYBE"),
        ({"syscalls": [RULE | {"errnoRet": -1}]}, "errnoRet"),
        ({"syscalls": [RULE | {"errnoRet": 70000}]}, "errnoRet"),
        ({"syscalls": [RULE | {"args": [{"index": 0, "value": 1, "op": "BOGUS"}]}]}, "BOGUS"),
        ({"syscalls": [RULE | {"args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}, "index"),
        ({"syscalls": [RULE | {"args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]}]}, "value"),
        ({"syscalls": [RULE | {"includes": {"minKernel": "new"}}]}, "minKernel"),
        ({"flags": ["SECCOMP_FILTER_FLAG_NEW"]}, "SECCOMP_FILTER_FLAG_NEW"),
        ({"architectures": ["SCMP_ARCH_Z80"]}, "an architecture that there is not: SCMP_ARCH_Z80"),
        ({"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["x86"]}]}, "that there is not: x86"),
        ({"architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86"}]}, "take one away"),
    ],
    ids=str,
)
def test_a_profile_that_cannot_be_obeyed_is_refused(profile: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Fault, match="the seccomp profile of a test ") as fault:
        check_profile(json.dumps({"defaultAction": "SCMP_ACT_ALLOW"} | profile), "of a test")
    assert sentence in str(fault.value)


@pytest.mark.parametrize("names", [["no_such_call"], []])
def test_a_filter_is_made_of_names_that_nobody_knows(names: list[str]) -> None:
    rules = [{"names": names, "action": "SCMP_ACT_ALLOW"}]
    assert compile_filter({"defaultAction": "SCMP_ACT_ERRNO", "architectures": [], "syscalls": rules})
