"""Docker's config.json and podman's auth.json, and the programs that keep secrets for them."""

import base64
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.remote import credential_helper
from storage.remote.credentials import Credentials, CredentialsUnreadable
from storage.remote.docker_config import DockerConfig, find_credentials
from tests.parts.credential_helpers import Helpers
from tests.parts.required import require_root

HUB = "https://index.docker.io/v1/"
ALICE = Credentials("alice", "s3cret")
TOKEN = Credentials("alice", "", "identity")


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helpers:
    """Credential helpers on PATH."""
    found = Helpers(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{found.folder}{os.pathsep}{os.environ['PATH']}")
    return found


def config(folder: Path, **content: Any) -> DockerConfig:
    file = folder / "config.json"
    file.write_text(json.dumps(content))
    return DockerConfig(file)


def content(file: DockerConfig) -> Any:
    return json.loads(file.path.read_text())


def write(folder: Path, auths: object) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": auths, "credHelpers": {"x.example": "y"}, "detachKeys": "ctrl-e"}))
    return file


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("registry.example:5000", "registry.example:5000"),
        ("https://registry.example", "registry.example"),
        ("https://registry.example/v1/", "registry.example"),
        ("https://index.docker.io/v1/", "docker.io"),
    ],
)
def test_docker_login_is_found_under_each_name_it_uses(key: str, registry: str, tmp_path: Path) -> None:
    file = write(tmp_path, {"other.example": {"auth": encoded("x:y")}, key: {"auth": encoded("alice:se:cret")}})
    assert DockerConfig(file).find(registry) == Credentials("alice", "se:cret")
    assert DockerConfig(file).find("unknown.example") is None


def test_an_identity_token_and_a_bare_user_are_read(tmp_path: Path) -> None:
    auths = {
        "token.example": {"auth": encoded("alice:"), "identitytoken": "t"},
        "plain.example": {"username": "u", "password": "p"},
        "helper.example": {},
    }
    file = write(tmp_path, auths)
    assert DockerConfig(file).find("token.example") == Credentials("alice", "", "t")
    assert DockerConfig(file).find("plain.example") == Credentials("u", "p")
    assert DockerConfig(file).find("helper.example") is None


@given(st.text(min_size=1).filter(lambda user: ":" not in user and "\0" not in user), st.text())
def test_user_and_password_come_back(tmp_path_factory: pytest.TempPathFactory, user: str, password: str) -> None:
    password = password.rstrip("\0")
    file = write(tmp_path_factory.getbasetemp(), {"r.example": {"auth": encoded(f"{user}:{password}")}})
    assert DockerConfig(file).find("r.example") == Credentials(user, password)


def test_no_file_is_no_credentials(tmp_path: Path) -> None:
    assert DockerConfig(tmp_path / "none").find("registry.example") is None


@pytest.mark.parametrize("content", ["[]", '{"auths": []}', '{"auths": {"r.example": {"auth": "?"}}}', "\udcff"])
def test_a_file_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(CredentialsUnreadable, match=str(file)):
        DockerConfig(file).find("r.example")


@pytest.mark.parametrize(
    ("repository", "user"),
    [("team/app", "app"), ("team/app/deep", "app"), ("team/other", "team"), ("teams/app", "all"), ("", "all")],
)
def test_the_most_specific_key_of_podmans_is_taken(repository: str, user: str, tmp_path: Path) -> None:
    keys = {"r.example": "all", "r.example/team/app": "app", "r.example/team": "team", "other.example": "other"}
    file = write(tmp_path, {key: {"auth": encoded(f"{user}:x")} for key, user in keys.items()})
    assert DockerConfig(file).find("r.example", repository) == Credentials(user, "x")


def test_a_key_of_podmans_is_not_for_the_whole_registry(tmp_path: Path) -> None:
    file = write(tmp_path, {"r.example/team": {"auth": encoded("x:y")}})
    assert DockerConfig(file).find("r.example") is None
    assert DockerConfig(file).find("r.example", "library/team") is None


def test_the_first_file_that_knows_the_registry_is_taken(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abcd"]
    DockerConfig(files[1]).store("other.example", ALICE)
    DockerConfig(files[2]).store("r.example", ALICE)
    DockerConfig(files[3]).store("r.example", TOKEN)
    assert find_credentials(files, "r.example", "team/app") == ALICE
    assert find_credentials(files, "none.example", "team/app") is None


@pytest.mark.parametrize("credentials", [ALICE, TOKEN, Credentials("ü", "p:ä"), Credentials("", "", "bare")])
@pytest.mark.parametrize("registry", ["r.example:5000", "docker.io"])
@pytest.mark.parametrize(
    "settings", [{}, {"credsStore": "keeps"}, {"credHelpers": {"r.example:5000": "keeps", HUB: "keeps"}}]
)
def test_what_is_stored_is_found_until_it_is_erased(
    credentials: Credentials, registry: str, settings: dict[str, Any], tmp_path: Path, helpers: Helpers
) -> None:
    file = config(tmp_path, **settings)
    assert not file.erase(registry)
    assert file.store(registry, credentials) == ("keeps" if settings else "")
    user = "" if settings and credentials.identity_token else credentials.user
    assert file.find(registry, "team/app") == credentials._replace(user=user)
    assert (credentials.basic[6:] in file.path.read_text()) == (not settings)
    assert len(helpers.kept) == (1 if settings else 0)
    assert file.erase(registry)
    assert file.find(registry) is None
    assert helpers.kept == {}
    assert not file.erase(registry)


def test_the_rest_of_the_file_stays_as_it_is(tmp_path: Path) -> None:
    others = {"r2.example": {"auth": encoded("x:y"), "email": "e"}, "https://r.example/v1/": {"auth": encoded("x:y")}}
    file = config(tmp_path, HttpHeaders={"X": "ü"}, auths=others, proxies={"default": None}, credHelpers={"z": "z"})
    before = content(file)
    file.store("r.example", ALICE)
    auths = {"r2.example": others["r2.example"], "r.example": {"auth": encoded("alice:s3cret")}}
    assert content(file) == {**before, "auths": auths}
    assert list(content(file)) == list(before)
    assert '\n\t"HttpHeaders": {\n\t\t"X": "ü"' in file.path.read_text()
    file.erase("r.example")
    assert content(file) == {**before, "auths": {"r2.example": others["r2.example"]}}


def test_a_file_is_its_owners_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = DockerConfig(tmp_path / "new/deep/config.json")
    assert not file.erase("r.example")
    assert not file.path.parent.exists()
    file.store("r.example", ALICE)
    file.path.chmod(0o644)
    file.store("r.example", TOKEN)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_link_to_a_file_elsewhere_stays_one(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles/config.json", tmp_path / "config.json"
    link.symlink_to(target)
    DockerConfig(link).store("r.example", ALICE)
    assert link.is_symlink()
    assert DockerConfig(target).find("r.example") == ALICE


def test_a_file_that_is_none_is_not_written_over(tmp_path: Path) -> None:
    file = DockerConfig(tmp_path / "config.json")
    file.path.write_text("{,}")
    for change in (lambda: file.store("r.example", ALICE), lambda: file.erase("r.example")):
        with pytest.raises(CredentialsUnreadable, match="is no configuration of Docker's"):
            change()
    assert file.path.read_text() == "{,}"


def test_an_empty_file_and_null_are_no_credentials(tmp_path: Path) -> None:
    for text in ("", "\n", '{"auths": null, "credHelpers": null}'):
        file = DockerConfig(tmp_path / "config.json")
        file.path.write_text(text)
        assert file.find("r.example") is None
        file.store("r.example", ALICE)
        assert file.find("r.example") == ALICE


def test_what_is_in_the_file_counts_where_the_general_helper_knows_nothing(tmp_path: Path, helpers: Helpers) -> None:
    file = config(tmp_path, credsStore="keeps", auths={"r.example": {"auth": encoded("x:y")}})
    assert file.find("r.example") == Credentials("x", "y")
    file.store("r.example", ALICE)
    assert content(file)["auths"] == {"r.example": {}}
    assert file.find("r.example") == ALICE
    assert helpers.kept == {"r.example": {"ServerURL": "r.example", "Username": "alice", "Secret": "s3cret"}}


def test_an_identity_token_is_marked_as_docker_marks_it(tmp_path: Path, helpers: Helpers) -> None:
    config(tmp_path, credsStore="keeps").store("docker.io", TOKEN)
    assert helpers.kept == {HUB: {"ServerURL": HUB, "Username": "<token>", "Secret": "identity"}}


def test_a_registrys_own_helper_is_asked_and_no_other(tmp_path: Path, helpers: Helpers) -> None:
    helpers.add("fails", "exit 1")
    file = config(tmp_path, credsStore="fails", credHelpers={"r.example": "keeps"})
    file.store("r.example", ALICE)
    assert file.find("r.example", "team/app") == ALICE


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo no keyring here; exit 3", "failed at 'get' with status 3: no keyring here"),
        ('echo \'{"Secret": "s3cret"\'; exit 1', "failed at 'get' with status 1$"),
        ('echo \'{"Username": "alice", "Secret": "s3cret"\'', "gave an answer that cannot be understood"),
        ("echo '[\"s3cret\"]'", "gave an answer that cannot be understood"),
        ("echo s3cret", "gave an answer that cannot be understood"),
        ("printf '\\377s3cret'", "gave an answer that cannot be understood"),
        ("exit 0", "gave an answer that cannot be understood"),
        ("kill -9 $$", "failed at 'get' with status -9$"),
    ],
)
def test_a_helper_that_fails_is_named_and_says_no_secret(
    script: str, what: str, tmp_path: Path, helpers: Helpers
) -> None:
    helpers.add("fails", script)
    file = config(tmp_path, credsStore="fails")
    with pytest.raises(CredentialsUnreadable, match=what) as fault:
        file.find("r.example")
    assert str(fault.value).startswith(f"docker-credential-fails, which {file.path} names, ")
    assert "s3cret" not in str(fault.value)


def test_a_helper_that_fails_to_store_leaves_the_file_alone(tmp_path: Path, helpers: Helpers) -> None:
    helpers.add("fails", "echo cannot store $(cat); exit 1")
    file = config(tmp_path, credsStore="fails")
    with pytest.raises(CredentialsUnreadable, match=r"failed at 'store' with status 1$"):
        file.store("r.example", ALICE)
    assert content(file) == {"credsStore": "fails"}


def test_a_helper_that_does_not_answer_is_given_up(
    tmp_path: Path, helpers: Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credential_helper, "_PATIENCE", 0.1)
    helpers.add("hangs", "exec sleep 600")
    with pytest.raises(CredentialsUnreadable, match=r"has not answered 'get' for 0\.1 seconds"):
        config(tmp_path, credsStore="hangs").find("r.example")


@pytest.mark.parametrize("name", ["missing", "../keeps", "a\0b"])
def test_a_helper_that_is_not_there_is_named(name: str, tmp_path: Path, helpers: Helpers) -> None:
    what = "cannot be started" if name == "missing" else "is no name of a credential helper"
    with pytest.raises(CredentialsUnreadable, match=what):
        config(tmp_path, credsStore=name).find("r.example")


def test_a_directory_of_another_user_has_no_file_of_ours_but_our_file_must_be_readable() -> None:
    require_root()
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)  # noqa: S103 - it holds nothing secret
        theirs, ours = Path(place, "theirs/auth.json"), Path(place, "config.json")
        theirs.parent.mkdir(mode=0o700)
        for file in (theirs, ours):
            file.touch(0o600)
        os.seteuid(65534)
        try:
            assert find_credentials([theirs], "registry.example", "app") is None
            with pytest.raises(CredentialsUnreadable, match="Permission denied"):
                find_credentials([theirs, ours], "registry.example", "app")
        finally:
            os.seteuid(0)
