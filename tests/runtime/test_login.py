"""preg login and logout: what they ask, what they keep, and that docker and podman keep it the same way."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parts.containers import Storage
from tests.parts.credential_helpers import Helpers
from tests.parts.docker import Docker
from tests.parts.guarded import PASSWORD, USER, Guarded
from tests.parts.images import data
from tests.parts.required import require_terminals
from tests.runtime.conftest import Preg
from tests.runtime.terminals import terminal

IMAGE = data("login", layers=2, size=1000)
BASIC = 'Basic realm="here"'


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    registry = Guarded(IMAGE)
    async with registry.server:
        yield registry


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helpers:
    """Credential helpers on PATH."""
    found = Helpers(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{found.folder}{os.pathsep}{os.environ['PATH']}")
    return found


def config(preg: Preg) -> Path:
    """The file that docker and preg share."""
    return preg.home / "docker/config.json"


def auths(preg: Preg) -> dict[str, dict[str, str]]:
    return dict(json.loads(config(preg).read_text())["auths"])


async def preg_ok(preg: Preg, *arguments: str, stdin: str | None = None) -> str:
    """Run preg while the registry answers."""
    return await asyncio.to_thread(preg.ok, *arguments, stdin=stdin)


async def log_in(preg: Preg, registry: str) -> str:
    return await preg_ok(preg, "login", "-u", USER, "--password-stdin", registry, stdin=f"{PASSWORD}\n")


async def pulls(preg: Preg, guarded: Guarded) -> bool:
    """Whether preg is let in; no other reason may keep it from the image."""
    done = await asyncio.to_thread(preg.run, "pull", "--quiet", f"{guarded.address}/team/app:1")
    if done.returncode == 0:
        assert done.stdout == f"{guarded.address}/team/app:1\n"
        return True
    assert f"{guarded.address}: " in done.stderr, done.stderr
    assert "preg login" in done.stderr
    return False


async def test_an_identity_token_is_kept_and_the_password_is_not(guarded: Guarded, preg: Preg) -> None:
    assert await log_in(preg, guarded.address) == "Login Succeeded\n"
    (token,) = guarded.identity_tokens
    user_alone = base64.b64encode(f"{USER}:".encode()).decode()
    assert auths(preg) == {guarded.address: {"auth": user_alone, "identitytoken": token}}
    assert await pulls(preg, guarded)

    assert await preg_ok(preg, "logout", guarded.address) == f"Removed the login to {guarded.address}\n"
    assert auths(preg) == {}
    assert await preg_ok(preg, "logout", guarded.address) == f"Not logged in to {guarded.address}\n"


async def test_a_password_is_kept_where_there_are_no_tokens(guarded: Guarded, preg: Preg) -> None:
    guarded.challenge = BASIC
    assert not await pulls(preg, guarded)
    await log_in(preg, f"http://{guarded.address}/v2/")
    assert auths(preg) == {guarded.address: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}
    assert await pulls(preg, guarded)
    await preg_ok(preg, "logout", guarded.address)
    assert not await pulls(preg, guarded)


async def test_the_credential_helper_that_docker_is_told_of_keeps_it(
    guarded: Guarded, preg: Preg, helpers: Helpers
) -> None:
    config(preg).parent.mkdir(parents=True)
    config(preg).write_text('{"credsStore": "keeps", "detachKeys": "ctrl-e"}')
    await log_in(preg, guarded.address)
    assert json.loads(config(preg).read_text()) == {
        "credsStore": "keeps",
        "detachKeys": "ctrl-e",
        "auths": {guarded.address: {}},
    }
    assert helpers.kept[guarded.address]["Username"] == "<token>"
    guarded.tokens.clear()
    assert await pulls(preg, guarded)
    assert guarded.asked[-1]["form"]["refresh_token"] in guarded.identity_tokens
    await preg_ok(preg, "logout", guarded.address)
    assert helpers.kept == {}


@pytest.mark.parametrize("challenge", [BASIC, Guarded(IMAGE).challenge], ids=["basic", "token"])
async def test_a_wrong_password_is_refused_and_nothing_is_written(challenge: str, guarded: Guarded, preg: Preg) -> None:
    guarded.challenge = challenge
    arguments = ("login", "--username", USER, "--password-stdin", guarded.address)
    done = await asyncio.to_thread(preg.run, *arguments, stdin="guess-it")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"preg: {guarded.address} does not let 'alice' in: ")
    assert "guess-it" not in line
    assert not config(preg).exists()


async def test_a_login_that_is_there_is_used_again_and_one_that_was_revoked_is_told(
    guarded: Guarded, preg: Preg
) -> None:
    await log_in(preg, guarded.address)
    before = guarded.identity_tokens.copy()
    assert await preg_ok(preg, "login", guarded.address) == "Login Succeeded\n"
    assert auths(preg)[guarded.address]["identitytoken"] in guarded.identity_tokens - before

    guarded.identity_tokens.clear()
    said = await asyncio.to_thread(preg.run, "login", guarded.address)
    assert said.returncode == 1
    assert "the login that is there is no longer good" in said.stderr
    assert "no terminal to ask on: give --username USER and --password-stdin" in said.stderr
    said = await asyncio.to_thread(preg.run, "pull", f"{guarded.address}/team/app:1")
    assert f"{guarded.address}: " in said.stderr
    assert "expired or was revoked: run preg login again" in said.stderr


async def test_a_password_as_an_argument_is_taken_with_a_warning(guarded: Guarded, preg: Preg) -> None:
    done = await asyncio.to_thread(preg.run, "login", "-u", USER, "-p", PASSWORD, guarded.address)
    assert (done.returncode, done.stdout) == (0, "Login Succeeded\n")
    assert "use --password-stdin" in done.stderr
    assert PASSWORD not in done.stderr


def typed(preg: Preg, arguments: list[str], answers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Run preg on a terminal, type each answer when its question has come; exit status and all that was to be seen."""
    require_terminals()
    with terminal(preg.command(*arguments), preg.environ) as person:
        for question, answer in answers:
            person.wait_for(question)
            person.type(answer + b"\n")
        return person.end(), person.printed


async def test_what_is_missing_is_asked_for_without_echo(guarded: Guarded, preg: Preg) -> None:
    answers = [(f"Username for {guarded.address}: ".encode(), USER.encode()), (b"Password: ", PASSWORD.encode())]
    status, seen = await asyncio.to_thread(typed, preg, ["login", guarded.address], answers)
    assert (status, seen.splitlines()[-1]) == (0, b"Login Succeeded"), seen
    assert PASSWORD.encode() not in seen
    assert await pulls(preg, guarded)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["login", "team"], 2, "'team' is no name of a registry"),
        (["login", "r.example/team"], 2, "is no name of a registry"),
        (["login", "r.example", "s.example"], 2, "used as: preg login"),
        (["login", "--password-stdin", "r.example"], 2, "needs a user"),
        (["login", "-u", "a", "-p", "secret", "--password-stdin", "r.example"], 2, "exclude each other"),
        (["login", "-u", "a", "--password-stdin", "r.example"], 1, "no password was given"),
        (["login", "-u", "a", "r.example"], 1, "no terminal to ask on"),
        (["logout", "r.example/team"], 2, "is no name of a registry"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_fault_is_one_sentence(arguments: list[str], status: int, sentence: str, preg: Preg) -> None:
    said = preg.fails(*arguments, status=status)
    assert sentence in said
    assert "secret" not in said


def test_a_registry_that_is_not_there_is_named(preg: Preg) -> None:
    done = preg.run("login", "-u", USER, "--password-stdin", "127.0.0.1:1", stdin=PASSWORD)
    assert done.returncode == 1
    assert "127.0.0.1:1 cannot be reached" in done.stderr


def test_a_file_that_is_none_is_named_before_anything_is_asked(preg: Preg) -> None:
    config(preg).parent.mkdir(parents=True)
    config(preg).write_text("{")
    assert f"{config(preg)} is no configuration of Docker's" in preg.fails("login", "r.example")
    assert f"{config(preg)} is no configuration of Docker's" in preg.fails("pull", "r.example/app")


async def test_podmans_login_comes_first_and_is_pointed_at(guarded: Guarded, preg: Preg) -> None:
    first = preg.home / "run/containers/auth.json"
    first.parent.mkdir(parents=True)
    first.write_text(json.dumps({"auths": {guarded.address: {"auth": base64.b64encode(b"bob:old").decode()}}}))
    arguments = ("login", "-u", USER, "--password-stdin", guarded.address)
    done = await asyncio.to_thread(preg.run, *arguments, stdin=PASSWORD)
    assert done.returncode == 0
    assert f"{first} has a login for {guarded.address}, too, which comes first: run podman logout" in done.stderr
    assert not await pulls(preg, guarded)
    done = await asyncio.to_thread(preg.run, "logout", guarded.address)
    assert f"{first} has a login for {guarded.address}, too: run podman logout" in done.stderr


async def test_a_file_of_ones_own_choice_is_written_and_read_alone(
    guarded: Guarded, preg: Preg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.challenge = BASIC
    chosen = Chosen(preg.home, tmp_path / "auth.json")
    await log_in(chosen, guarded.address)
    assert not config(preg).exists()
    assert await pulls(chosen, guarded)
    assert not await pulls(preg, guarded)
    await log_in(preg, guarded.address)
    await preg_ok(chosen, "logout", guarded.address)
    assert not await pulls(chosen, guarded)


class Chosen(Preg):
    """preg under $REGISTRY_AUTH_FILE."""

    def __init__(self, home: Path, file: Path) -> None:
        super().__init__(home)
        object.__setattr__(self, "file", file)

    @property
    def environ(self) -> dict[str, str]:
        return super().environ | {"REGISTRY_AUTH_FILE": str(self.file)}


async def test_dockers_login_is_pregs_and_pregs_is_dockers(guarded: Guarded, docker: Docker, preg: Preg) -> None:
    docker = replace(docker, folder=preg.home)
    docker_config = preg.home / "client/config.json"
    docker_config.parent.mkdir(parents=True)
    config(preg).parent.symlink_to(docker_config.parent)
    name = f"{guarded.address}/team/app:1"
    guarded.challenge = guarded.challenge.replace("reg,istry", "registry")

    await asyncio.to_thread(docker, "login", "-u", USER, "-p", PASSWORD, guarded.address)
    assert await pulls(preg, guarded)
    by_docker = docker_config.read_text()
    await preg_ok(preg, "logout", guarded.address)
    assert docker_config.read_text() == '{\n\t"auths": {}\n}'

    guarded.tokens.clear()
    await log_in(preg, guarded.address)
    by_preg = json.loads(docker_config.read_text())["auths"][guarded.address]
    assert by_preg.keys() == json.loads(by_docker)["auths"][guarded.address].keys()
    await asyncio.to_thread(docker, "pull", name)
    assert guarded.asked[-1]["form"]["refresh_token"] == by_preg["identitytoken"]
    await asyncio.to_thread(docker, "logout", guarded.address)
    assert auths(preg) == {}


@pytest.mark.parametrize("challenge", [BASIC, Guarded(IMAGE).challenge], ids=["basic", "token"])
async def test_podmans_login_is_pregs_and_pregs_is_podmans(
    challenge: str, guarded: Guarded, podman: Storage, preg: Preg
) -> None:
    guarded.challenge = challenge
    shared, plain = preg.home / "config/containers/auth.json", "--tls-verify=false"
    shared.parent.mkdir(parents=True)
    login = ("login", plain, f"--authfile={shared}", "-u", USER, "-p", PASSWORD, guarded.address)
    await asyncio.to_thread(podman, *login)
    assert await pulls(preg, guarded)
    await asyncio.to_thread(podman, "logout", f"--authfile={shared}", guarded.address)

    guarded.tokens.clear()
    await log_in(preg, guarded.address)
    name = f"{guarded.address}/team/app:1"
    await asyncio.to_thread(podman, "pull", plain, f"--authfile={config(preg)}", name)
    await asyncio.to_thread(podman, "logout", f"--authfile={config(preg)}", guarded.address)
    assert auths(preg) == {}
