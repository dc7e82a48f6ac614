"""What a container is given, against what Docker gives (moby, oci/defaults.go and oci/caps/defaults.go)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.bundle import Wishes, arguments, build, environment
from runtime.capabilities import ALL, grant
from runtime.errors import Fault
from runtime.image_config import Process
from runtime.isolation import Isolation
from runtime.mounts import Mount
from runtime.users import User, find_user

ROOT = User(0, 0, (), "/root")
NOTHING = Wishes()
PASSWD = "root:x:0:0:root:/root:/bin/sh\nbroken:x\nweb:x:1000:1001:Web:/home/web:/bin/sh\nbad:x:-1:0:::\n"
GROUP = "root:x:0:root\nweb:x:1001:\nmore:x:2000:other,web\nlast:x:2001:web\nbroken\n"


def made(user: User = ROOT, wishes: Wishes = NOTHING, *, cgroup_namespace: bool = True) -> dict[str, Any]:
    image = Process(cmd=["sh"])
    granted = grant(wishes.cap_add, wishes.cap_drop, ALL, privileged=wishes.privileged)
    isolation = Isolation(granted, None, [], [], [], "", "", cgroup_namespace, swap=True)
    return build(
        image,
        wishes,
        user,
        control_group="/preg/abc",
        hostname="abc",
        root="/r",
        files=(),
        network_namespace="/net",
        joined={},
        isolation=isolation,
    )


def test_root_gets_dockers_fourteen_capabilities_and_others_none() -> None:
    fourteen = made()["process"]["capabilities"]["effective"]
    assert len(fourteen) == len(set(fourteen)) == 14
    assert not {"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE"} & set(fourteen)
    other = made(User(1000, 1000, (), "/"))["process"]["capabilities"]
    assert other == {"bounding": fourteen, "effective": [], "permitted": []}


def test_the_users_group_is_among_the_others() -> None:
    assert made(User(1, 2, (3, 4), "/"))["process"]["user"]["additionalGids"] == [2, 3, 4]


def test_every_namespace_is_its_own_unless_the_hosts_network_is_asked_for() -> None:
    def kinds(**given: Any) -> set[str]:
        return {each["type"] for each in made(**given)["linux"]["namespaces"]}

    assert kinds() == {"mount", "pid", "uts", "ipc", "network", "cgroup"}
    assert kinds(wishes=Wishes(host_network=True)) == {"mount", "pid", "uts", "ipc", "cgroup"}
    assert kinds(cgroup_namespace=False) == {"mount", "pid", "uts", "ipc", "network"}


def test_the_kernels_secrets_are_masked_and_its_switches_read_only() -> None:
    linux = made()["linux"]
    assert {"/proc/kcore", "/proc/keys", "/sys/firmware", "/proc/timer_list"} <= set(linux["maskedPaths"])
    assert {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"} <= set(linux["readonlyPaths"])
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    mounts = {each["destination"]: each["options"] for each in made()["mounts"]}
    assert {"ro", "nosuid", "noexec", "nodev"} <= set(mounts["/sys"])
    assert {"ro", "nosuid", "noexec", "nodev"} <= set(mounts["/sys/fs/cgroup"])


def test_the_configuration_is_json_and_limits_are_never_raised() -> None:
    json.dumps(made())
    assert "rlimits" not in made()["process"]


def test_a_volume_comes_after_what_holds_it_and_takes_the_place_of_what_would_be_there() -> None:
    mounts = [Mount("/here", "/dev/mqueue/deep", ("rbind", "ro")), Mount("/there", "/dev/mqueue")]
    described = made(wishes=Wishes(mounts=tuple(mounts)))["mounts"]
    assert described[-1] == {
        "destination": "/dev/mqueue/deep",
        "type": "bind",
        "source": "/here",
        "options": ["rbind", "ro"],
    }
    assert [each["source"] for each in described if each["destination"] == "/dev/mqueue"] == ["/there"]


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "wishes", "expected"),
    [
        (None, ["sh"], Wishes(), ["sh"]),
        (["init"], ["sh"], Wishes(), ["init", "sh"]),
        (["init"], ["sh"], Wishes(command=("ls", "-l")), ["init", "ls", "-l"]),
        (["init"], ["sh"], Wishes(entrypoint=("cat",)), ["cat"]),
        (["init"], ["sh"], Wishes(entrypoint=("cat",), command=("x",)), ["cat", "x"]),
        (["init"], ["sh"], Wishes(entrypoint=(), command=("x",)), ["x"]),
        (["init"], None, Wishes(), ["init"]),
    ],
)
def test_what_is_executed(entrypoint: list[str], cmd: list[str] | None, wishes: Wishes, expected: list[str]) -> None:
    assert arguments(Process(entrypoint=entrypoint, cmd=cmd), wishes) == expected


def test_an_image_without_a_command_needs_one() -> None:
    with pytest.raises(Fault, match="names no command"):
        arguments(Process(), Wishes())


def test_later_variables_win_and_home_is_the_users() -> None:
    image = Process(env=["PATH=/bin", "A=image", "EMPTY="])
    wishes = Wishes(environment=("A=mine", "B=x=y"), terminal=True)
    assert environment(image, wishes, "abc", "/home/web") == [
        "PATH=/bin",
        "HOSTNAME=abc",
        "TERM=xterm",
        "A=mine",
        "B=x=y",
        "EMPTY=",
        "HOME=/home/web",
    ]
    assert "HOME=/mine" in environment(image, Wishes(environment=("HOME=/mine",)), "abc", "/home/web")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", User(0, 0, (), "/root")),
        ("root", User(0, 0, (), "/root")),
        ("web", User(1000, 1001, (2000, 2001), "/home/web")),
        ("1000", User(1000, 1001, (2000, 2001), "/home/web")),
        ("web:more", User(1000, 2000, (), "/home/web")),
        ("web:7", User(1000, 7, (), "/home/web")),
        ("4711", User(4711, 0, (), "/")),
        ("4711:more", User(4711, 2000, (), "/")),
        ("+4711", User(4711, 0, (), "/")),
        ("2147483647:01001", User(2147483647, 1001, (), "/")),
    ],
)
def test_who_the_process_is(text: str, expected: User) -> None:
    assert find_user(text, PASSWD, GROUP) == expected


@pytest.mark.parametrize("text", ["nobody", "bad", "root:nogroup", "broken"])
def test_a_user_the_image_does_not_know_is_a_fault(text: str) -> None:
    with pytest.raises(Fault, match="the image has no"):
        find_user(text, PASSWD, GROUP)


@pytest.mark.parametrize("text", ["-1", "2147483648", "99999999999", "9" * 5000, "root:-1", "0:2147483648"])
def test_a_number_that_is_no_possible_id_is_a_fault(text: str) -> None:
    with pytest.raises(Fault, match="is out of range: IDs are from 0 to 2147483647"):
        find_user(text, PASSWD, GROUP)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_a_number_is_an_id_whatever_names_the_image_has(uid: int, gid: int, more: int) -> None:
    passwd, group = f"{uid}:x:0:0::/root:/bin/sh\n", f"{gid}:x:0:\n{more}:x:0:{uid}\n"
    user = find_user(f"{uid}:{gid}", passwd, group, [str(more)])
    assert (user.uid, user.gid, user.groups) == (uid, gid, (more,))


@given(st.text(), st.text(), st.text())
def test_no_files_whatever_make_more_than_a_fault_of_who_one_is(text: str, passwd: str, group: str) -> None:
    try:
        user = find_user(text, passwd, group)
    except Fault:
        return
    assert user.uid >= 0
    assert user.gid >= 0
