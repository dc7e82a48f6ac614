"""The runtime's settings: short names, mirrors, and what is said of a mistake."""

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import config, settings
from runtime.errors import Fault
from runtime.settings import Settings
from storage.oci.errors import RegistryError
from storage.oci.reference import Reference
from tests.parts.images import data, push
from tests.parts.required import ROOT
from tests.parts.server import Server, serving
from tests.runtime.conftest import Preg


def read(path: Path) -> Settings:
    return settings.load(config.load({"PREG_CONFIG": str(path)}))


def write(preg: Preg, text: str) -> Path:
    """The person's own settings."""
    path = preg.home / "config/preg/runtime.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_example_is_read() -> None:
    example = read(ROOT / "deploy/runtime.example.toml")
    assert str(example.resolve("app")) == "registry.example/team/app:stable"
    assert [str(there) for there, _ in example.mirrors(Reference.parse("alpine:3"))] == [
        "mirror.example/library/alpine:3",
        "cache.example:5000/hub/library/alpine:3",
    ]
    ((_, mirror),) = example.mirrors(Reference.parse("registry.example/a"))
    assert (mirror.plain_http, mirror.insecure) == (True, False)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("app", "r.example/team/app:1"),
        ("app:2", "r.example/team/app:2"),
        (f"app@sha256:{'0' * 64}", f"r.example/team/app@sha256:{'0' * 64}"),
        ("team/tool", "r.example/tool:latest"),
        ("other", "default.example:5000/other:latest"),
        ("docker.io/app", "docker.io/library/app:latest"),
        ("index.docker.io/app", "docker.io/library/app:latest"),
        ("else.example/app", "else.example/app:latest"),
        ("localhost/app", "localhost/app:latest"),
    ],
)
def test_short_names_stand_for_others(typed: str, meant: str) -> None:
    short = {"app": "r.example/team/app:1", "team/tool": "r.example/tool"}
    assert str(Settings(default_registry="default.example:5000", short_names=short).resolve(typed)) == meant


@given(st.text())
def test_without_settings_names_are_read_as_docker_reads_them(text: str) -> None:
    try:
        expected = Reference.parse(text)
    except RegistryError:
        with pytest.raises(RegistryError):
            Settings().resolve(text)
    else:
        assert Settings().resolve(text) == expected


def test_a_persons_settings_go_over_the_hosts(tmp_path: Path) -> None:
    files = tmp_path / "host.toml", tmp_path / "person.toml"
    mirror = '[[mirror]]\nregistry = "r:1"\nhosts = ["%s"]\n'
    insecure = 'insecure-registries = ["%s"]\n'
    files[0].write_text(insecure % "h:2" + '[short-names]\na = "h.example/a"\nb = "h.example/b"\n' + mirror % "h:1")
    files[1].write_text(
        insecure % "p:2" + 'default-registry = "p:1"\n[short-names]\nb = "p.example/b"\n' + mirror % "p:1"
    )
    found = settings.load(config.load({})._replace(settings_files=files))
    assert found.short_names == {"a": "h.example/a", "b": "p.example/b"}
    assert [mirror.hosts for mirror in found.mirror] == [("p:1",), ("h:1",)]
    assert found.default_registry == "p:1"
    assert found.insecure_registries == ("p:2", "h:2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "unknown field `colour`"),
        ("[[mirror]]\nregistry = 'a:1'\nhosts = ['b:1']\nspeed = 1", "unknown field `speed` - at `$.mirror[0]`"),
        ("[[mirror]]\nregistry = 'a:1'\nhosts = []", "`$.mirror[0].hosts`"),
        ("[[mirror]]\nhosts = ['b:1']", "`registry`"),
        ("[[mirror]]\nregistry = 'a:1/b'\nhosts = ['b:1']", "a registry is HOST or HOST:PORT"),
        ("[[mirror]]\nregistry = 'a:1'\nhosts = ['https://b']", "it is HOST[:PORT][/PATH]"),
        ("default-registry = 'x y'", "a registry is HOST or HOST:PORT"),
        ("short-names = 1", "`$.short-names`"),
        ("[short-names]\na = 'b'", "it is NAME = REGISTRY/NAME[:TAG]"),
        ("[short-names]\n'a:1' = 'b.example/b'", "it is NAME = REGISTRY/NAME[:TAG]"),
        ("[short-names]\n'' = 'b.example/b'", "it is NAME = REGISTRY/NAME[:TAG]"),
        ("= 1", "are no TOML"),
        ("a = '\udcff'", "are no TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "runtime.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(Fault) as fault:
        read(path)
    assert said in str(fault.value)
    assert str(path) in str(fault.value)


@pytest.mark.parametrize(
    ("server", "insecure"),
    [
        ("registry.lan:5000", True),
        ("registry.lan", False),
        ("registry.lan:5001", False),
        ("a.registry.lan:5000", False),
        ("10.1.2.3", True),
        ("10.1.2.3:5000", True),
        ("10.2.0.1", False),
        ("[fd00::1]:5000", True),
        ("[fe00::1]", False),
    ],
)
def test_insecure_registries_are_read_as_docker_reads_them(server: str, insecure: bool) -> None:
    found = Settings(insecure_registries=("registry.lan:5000", "10.1.0.0/16", "fd00::/8"))
    assert found.is_insecure(server) == insecure


def test_settings_that_are_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="are not there"):
        read(tmp_path / "none.toml")
    assert settings.load(config.load({"HOME": str(tmp_path)})) == Settings()


def test_who_has_no_home_in_the_environment_has_one_all_the_same() -> None:
    home = pwd.getpwuid(os.geteuid()).pw_dir
    for environ in ({}, {"HOME": ""}):
        assert config.load(environ).login_file == f"{home}/.docker/config.json"


def test_a_mirror_is_asked_first_and_passed_over_if_it_fails(
    server: Server, repository: str, preg: Preg, tmp_path: Path
) -> None:
    image = data("mirrored", layers=1, size=1000)
    with serving(tmp_path / "mirror") as mirror:
        push(mirror, f"copies/{repository}", "1", image)
        write(
            preg,
            f'[short-names]\nshort = "{server.address}/{repository}"\n'
            f'[[mirror]]\nregistry = "{server.address}"\nhosts = ["127.0.0.1:1", "{mirror.address}/copies"]\n',
        )
        with server.recording() as requests:
            done = preg.run("pull", "-q", "short:1")
        assert (done.returncode, done.stdout) == (0, f"{server.address}/{repository}:1\n"), done.stderr
        assert "the mirror 127.0.0.1:1 is passed over: the registry 127.0.0.1:1 cannot be reached" in done.stderr
    assert requests == []
    assert preg.ok("images", "--format", "Repository,Tag") == f"{server.address}/{repository}\t1\n"
    # Found here by what it stands for, though the mirror and the registry do not have it any more.
    preg.ok("create", "--runtime", "true", "short:1")
    push(server, repository, "2", image)
    assert preg.ok("pull", "-q", "short:2") == f"{server.address}/{repository}:2\n"
    assert preg.ok("push", "short:2", "short:3") == f"{server.address}/{repository}:3 is {image.digest}\n"


def test_a_mistake_stops_what_fetches_and_nothing_else(preg: Preg) -> None:
    path = write(preg, "colour = 1")
    assert preg.fails("pull", "127.0.0.1:1/a").startswith(f"the settings {path} cannot be used")
    assert preg.ok("images").count("\n") == 1
