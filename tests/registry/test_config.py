"""Settings: which source wins, and what is said of a wrong one."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from registry.config import Config, ConfigError, load
from tests.parts.required import ROOT

EXAMPLE = ROOT / "deploy" / "preg.example.toml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "preg.toml"


def test_flags_win_over_variables_and_those_over_the_file(file: Path) -> None:
    file.write_text(
        '[server]\nlisten = "file:1"\nshutdown_timeout = 1\n[storage]\nurl = "file"\n[log]\naccess = false\n'
    )
    environ = {"PREG_SERVER_LISTEN": "environ:2", "PREG_STORAGE_URL": "environ", "PREG_UPLOADS_EXPIRE_AFTER": "2.5"}
    config = load(file, environ, {"server.listen": "flag:3"})
    assert config.server.listen == "flag:3"
    assert config.storage.url == "environ"
    assert config.server.shutdown_timeout == 1
    assert config.uploads.expire_after == 2.5
    assert config.log.access is False


def test_without_any_source_the_defaults_hold() -> None:
    assert load(None, {}, {}) == Config()
    assert load(None, {"PATH": "/bin", "LISTEN": "x", "PREG": "x", "XPREG_SERVER_LISTEN": "x:1"}, {}) == Config()


def test_variables_of_the_other_rooms_are_theirs() -> None:
    assert load(None, {"PREG_ROOT": "/x", "PREG_TEST_REQUIRE_ALL": "1"}, {}) == Config()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("1", True), ("0", False)])
def test_a_switch_in_the_environment(text: str, value: bool) -> None:
    assert load(None, {"PREG_VALIDATION_SPARSE": text}, {}).validation.sparse is value


def test_a_list_in_the_environment_has_commas() -> None:
    config = load(None, {"PREG_SERVER_HOSTS": "a.example, b.example", "PREG_AUTH_TRUSTED_PROXIES": "10.0.0.0/8"}, {})
    assert config.server.hosts == ("a.example", "b.example")
    assert config.auth.trusted_proxies == ("10.0.0.0/8",)


def test_the_example_is_the_defaults_and_explains_each_of_them() -> None:
    assert load(EXAMPLE, {}, {}) == Config()
    documented = {section: set(table) for section, table in tomllib.loads(EXAMPLE.read_text(encoding="utf-8")).items()}
    assert documented == {
        section.name: {field.name for field in msgspec.structs.fields(section.type)}
        for section in msgspec.structs.fields(Config)
        if section.name != "oidc"  # which is explained in comments only
    }
    for section in documented.values():
        for key in section:
            assert re.search(rf"^# .*\n{key} = ", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE), key


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[server]\nlistn = 'x:1'", "$.server"),
        ("[srver]\nlisten = 'x:1'", "srver"),
        ("listen = 'x:1'", "listen"),
        ("server = 5", "$.server"),
        ("server = 'x:1'", "$.server"),
        ("[[server]]\nlisten = 'x:1'", "$.server"),
        ("[server]\nlisten = 5000", "$.server.listen"),
        ("[server]\nlisten = '5000'", "$.server.listen"),
        ("[server]\nlisten = 'localhost'", "$.server.listen"),
        ("[server]\nlisten = 'localhost:http'", "$.server.listen"),
        ("[server]\nlisten = '[::1:5000'", "$.server.listen"),
        ("[server]\nlisten = '::1:5000'", "$.server.listen"),
        ("[server]\nlisten = 'localhost:65536'", "$.server.listen"),
        ("[server]\nlisten = ':99999'", "$.server.listen"),
        ("[server]\nshutdown_timeout = -1", "$.server.shutdown_timeout"),
        ("[server]\nshutdown_timeout = 'soon'", "$.server.shutdown_timeout"),
        ("[server]\nshutdown_timeout = inf", "$.server.shutdown_timeout"),
        ("[uploads]\nexpire_after = 0", "$.uploads.expire_after"),
        ("[uploads]\nexpire_after = inf", "$.uploads.expire_after"),
        ("[token]\nrefresh_lifetime = inf", "$.token.refresh_lifetime"),
        ("[token]\nrotate_every = inf", "$.token.rotate_every"),
        ("[validation]\nsparse = 'maybe'", "$.validation.sparse"),
        ("[log]\naccess = 2", "$.log.access"),
        ("[log]\naccess = {}", "$.log.access"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(file: Path, text: str, path: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {}, {})
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "path"),
    [
        ("PREG_SERVER_LISTN", "x:1", "listn"),
        ("PREG_SERVER", "x:1", "$.server"),
        ("PREG_SERVER_LISTEN", "nonsense", "$.server.listen"),
        ("PREG_UPLOADS_EXPIRE_AFTER", "a week", "$.uploads.expire_after"),
        ("PREG_LOG_ACCESS", "", "$.log.access"),
    ],
)
def test_so_is_a_wrong_variable(variable: str, value: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {variable: value}, {})
    assert path in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path):
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load(path, {}, {})
    for content in (b"not = = toml", b"\xff\xfe", b"a = 1\na = 2"):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=f"{re.escape(str(file))} is not TOML"):
            load(file, {}, {})


@pytest.mark.parametrize("listen", ["127.0.0.1:0", ":5000", "[::1]:5000", "registry.example:443", "0.0.0.0:65535"])
def test_addresses(listen: str) -> None:
    assert load(None, {}, {"server.listen": listen}).server.listen == listen


EXTERNAL = "[token]\nrealm = 'https://auth.example.com/token'\nissuer = 'them'\njwks = '/etc/keys.json'\n"
OIDC = "[[oidc]]\nname = 'x'\nissuer = 'x'\naudience = 'x'\nrules = [{claims = {sub = '*'}, principal = 'x'}]\n"


def test_another_issuer(file: Path) -> None:
    file.write_text(f"[auth]\nmode = 'token'\n{EXTERNAL}")
    assert load(file, {}, {}).token.external
    assert not Config().token.external


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[auth]\nmode = 'basic'", "$.auth.mode"),
        ("[auth]\npolicy = '/etc/policy'", "$.auth.mode"),
        ("[auth]\nmode = 'token'\n[token]\njwks = 'x'\nissuer = 'them'", "$.token.realm"),
        ("[auth]\nmode = 'token'\n[token]\nrootcertbundle = 'x'\nrealm = 'https://x/'", "$.token.issuer"),
        (f"[auth]\nmode = 'token'\npolicy = 'x'\n{EXTERNAL}", "$.auth.policy"),
        ("[token]\nservice = 'a \"quoted\" name'", "$.token.service"),
        ("[token]\nalgorithm = 'HS256'", "$.token.algorithm"),
        ("[token]\nlifetime = 5", "$.token.lifetime"),
        (OIDC, "$.oidc"),
        (f"[auth]\nmode = 'token'\n{EXTERNAL}{OIDC}", "$.oidc"),
        ("[[oidc]]\nname = 'x'\nissuer = 'x'\naudience = 'x'\nrules = []", "$.oidc[0].rules"),
        ("[tls]\ncertificate = 'x'", "$.tls"),
        ("[tls]\nkey = 'x'", "$.tls"),
        ("[tls]\nclient_ca = 'x'", "$.tls.client_ca"),
        ("[tls]\nclient_ca = 'x'\ncertificate = 'x'\nkey = 'x'", "$.tls.client_ca"),
    ],
)
def test_what_would_not_be_in_force_is_refused(file: Path, text: str, path: str) -> None:
    """A policy that nobody asks protects nothing."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {}, {})
    assert str(caught.value).endswith(f" - at `{path}`")


def test_a_variable_cannot_reach_into_a_list(file: Path) -> None:
    file.write_text(f"[auth]\nmode = 'token'\n{OIDC}")
    with pytest.raises(ConfigError, match=re.escape("$.oidc")):
        load(file, {"PREG_OIDC_NAME": "y"}, {})
