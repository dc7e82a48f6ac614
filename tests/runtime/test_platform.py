"""Platforms: how they are read, which suits a machine, and what is said when none does."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import platforms
from runtime.errors import UsageError
from runtime.platforms import Platform, of_image, read_platform, this_host, this_machine
from tests.parts.images import Image, Index, busybox, data, multi_arch, push
from tests.parts.server import Server
from tests.runtime.conftest import Preg


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("linux/amd64/v1", Platform("linux", "amd64")),
        ("linux/amd64/v2", Platform("linux", "amd64", "v2")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("linux/arm", Platform("linux", "arm")),
        ("linux/arm/v7", Platform("linux", "arm")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
        ("linux/armel", Platform("linux", "arm", "v6")),
        ("LINUX/ARM64", Platform("linux", "arm64")),
        ("riscv64", Platform("linux", "riscv64")),
        ("windows", this_host()._replace(os="windows")),
    ],
)
def test_platforms_are_read_as_docker_reads_them(text: str, platform: Platform) -> None:
    assert read_platform(text) == platform


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/arm/v7/x", "linux/a m", "linux//v7", "a/b/c/d"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no platform"):
        read_platform(text)


@given(st.text())
def test_any_text_is_a_platform_that_reads_back_or_is_refused(text: str) -> None:
    try:
        platform = read_platform(text)
    except UsageError:
        return
    assert read_platform(str(platform)) == platform
    assert platform.runs(platform)


@pytest.mark.parametrize(
    ("machine", "order"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3 linux/amd64/v2 linux/amd64"),
        ("linux/arm/v7", "linux/arm linux/arm/v6 linux/arm/v5"),
        ("linux/arm64", "linux/arm64 linux/arm/v8 linux/arm linux/arm/v6 linux/arm/v5"),
        ("linux/s390x", "linux/s390x"),
    ],
)
def test_a_machine_executes_what_older_ones_do_too(machine: str, order: str) -> None:
    assert [str(each) for each in read_platform(machine).alternatives()] == order.split()


def test_an_image_is_taken_at_its_word() -> None:
    assert of_image("", "", None) == Platform("linux", "")
    assert this_host().runs(of_image("", "", None))
    assert read_platform("linux/arm/v6").runs(of_image("linux", "arm", None))
    assert not read_platform("linux/arm/v6").runs(of_image("linux", "arm", "v8"))
    assert not read_platform("linux/amd64").runs(of_image("windows", "amd64", None))


def test_this_machine_is_told_by_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
    monkeypatch.setattr(platforms, "this_host", lambda: Platform("linux", "amd64"))
    text = f"processor\t: 0\nflags\t\t: fpu {flags}\n\n"
    monkeypatch.setattr(platforms, "open", lambda *_, **__: io.StringIO(text), raising=False)
    assert this_machine() == Platform("linux", "amd64", "v2")


def of(architecture: str) -> Image:
    return data(architecture, layers=1, size=100, architecture=architecture)


def test_of_an_index_the_platform_that_is_asked_for_is_taken(server: Server, repository: str, preg: Preg) -> None:
    index = Index((of("amd64"), of("arm64"), of("arm")), variants=("", "", "v6"))
    push(server, repository, "all", index)
    name = f"{server.address}/{repository}:all"
    assert preg.ok("pull", "--platform", "linux/arm64", name).endswith(f" is {index.images[1].digest}\n")
    assert preg.ok("pull", "--platform", "linux/arm/v7", name).endswith(f" is {index.images[2].digest}\n")
    said = preg.fails("pull", "--platform", "linux/s390x", name)
    assert said == f"{name} is not offered for linux/s390x, only for linux/amd64, linux/arm/v6, linux/arm64"
    assert "is no platform" in preg.fails("pull", "--platform", "a b", name, status=2)


def test_an_image_for_another_machine_needs_to_be_asked_for(server: Server, repository: str, preg: Preg) -> None:
    image, name = of("s390x"), f"{server.address}/{repository}:1"
    push(server, repository, "1", image)
    assert preg.fails("pull", name).startswith(f"{name} is for linux/s390x, and this host is {this_host()}")
    preg.ok("pull", "--platform", "linux/s390x", name)
    assert "and not for linux/arm64 as was asked for" in preg.fails("pull", "--platform", "linux/arm64", name)
    said = preg.fails("create", "--runtime", "true", name)
    assert said.startswith(f"{name} is for linux/s390x, and this host is")
    preg.ok("create", "--runtime", "true", "--platform", "linux/s390x", name, "x")


def test_when_an_image_is_pulled_is_the_persons_choice(server: Server, repository: str, preg: Preg) -> None:
    name = f"{server.address}/{repository}:1"
    push(server, repository, "1", busybox("old"))
    never = ["create", "--runtime", "true", "--pull", "never", name]
    assert "--pull never forbids" in preg.fails(*never)
    create = ["create", "-q", "--runtime", "true", "--pull"]
    preg.ok(*create, "missing", name)
    preg.ok(*never)
    push(server, repository, "1", busybox("new"))
    preg.ok(*create, "missing", name)
    assert preg.ok("images", "-q") == f"{busybox('old').config_digest[7:19]}\n"
    preg.ok(*create, "always", name)
    assert preg.ok("images", "-q", "--filter", "dangling=false") == f"{busybox('new').config_digest[7:19]}\n"
    assert "--pull is always, missing, never" in preg.fails(*create, "perhaps", name, status=2)


def test_all_tags_are_pulled(server: Server, repository: str, preg: Preg) -> None:
    name = f"{server.address}/{repository}"
    for tag in ("1", "2"):
        push(server, repository, tag, data(tag, layers=1, size=100))
    push(server, repository, "all", multi_arch("tags"))
    assert preg.ok("pull", "-a", name).splitlines()[0].startswith(f"{name}:1 is sha256:")
    assert sorted(preg.ok("images", "--format", "Tag", name).split()) == ["1", "2", "all"]
    assert "the name must have none" in preg.fails("pull", "-a", f"{name}:1", status=2)


def test_commands_for_an_image_that_is_here_refuse_another_platform(
    server: Server, repository: str, preg: Preg, tmp_path: Path
) -> None:
    name = f"{server.address}/{repository}:1"
    push(server, repository, "1", data("platform", layers=1, size=100, architecture="s390x"))
    preg.ok("pull", "--platform", "linux/s390x", name)
    for words in (("push",), ("history",), ("save", "-o", f"{tmp_path}/a.tar"), ("rmi",)):
        assert "is for linux/s390x, and not for linux/arm64" in preg.fails(*words, "--platform", "linux/arm64", name)
        both = ("--platform", "linux/s390x", "--platform", "linux/riscv64")
        assert "not for linux/riscv64" in preg.fails(*words, *both, name)
    preg.ok("history", "--platform", "s390x", name)
    preg.ok("save", "--platform", "linux/s390x", "-o", f"{tmp_path}/a.tar", name)
    assert preg.ok("push", "--quiet", "--platform", "linux/s390x", name) == f"{name}\n"
    preg.ok("rmi", "--platform", "linux/s390x", name)
    assert preg.ok("images", "-q") == ""


def test_signatures_that_cannot_be_checked_are_not_promised(preg: Preg) -> None:
    for command in ("pull", "push", "create", "run"):
        said = preg.fails(command, "--disable-content-trust=false", "nothing:1", status=125 if command == "run" else 2)
        assert "preg checks no signatures" in said
