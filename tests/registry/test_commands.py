"""`preg user`, `preg key` and `preg auth explain`, as their users type them."""

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from auth.credentials import Account
from auth.errors import CredentialsRefused
from auth.passwords import matches
from auth.principal import Principal
from auth.refresh import RefreshTokens
from auth.users import read_users
from registry import commands
from registry.state import open_state
from runtime.cli import main
from storage.plugins import open_driver
from tests.parts.required import ROOT, require_terminals

POLICY = """
[[rule]]
who = ["group:team"]
repositories = ["team/*"]
actions = ["pull", "push"]
[[rule]]
who = ["anonymous"]
repositories = ["public/**"]
actions = ["pull"]
[[rule]]
who = ["oidc:acme", "group:ci", "cert:host1"]
repositories = ["ci/*"]
actions = ["pull"]
"""
CONFIG = """
[storage]
url = "{folder}/store"
[auth]
mode = "token"
users = "{folder}/users"
policy = "{folder}/policy.toml"
[[oidc]]
name = "github"
issuer = "https://token.example"
audience = "preg"
rules = [{{ claims = {{ repository = "acme/*" }}, principal = "acme-ci", groups = ["ci"] }}]
"""


class Shell:
    """Types commands, and has the last one's status and output."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = folder / "preg.toml"
        self.config.write_text(CONFIG.format(folder=folder))
        (folder / "policy.toml").write_text(POLICY)
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = self.err = ""

    def ask_nobody(self) -> None:
        """Set the mode to none, with which there is neither a policy nor an issuer of identity tokens."""
        text = self.config.read_text().partition("policy =")[0].replace('"token"', '"none"')
        self.config.write_text(text)

    def __call__(self, *words: str, stdin: str = "") -> int:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main([*words, "--config", str(self.config)])
        self.out, self.err = self._capsys.readouterr()
        return status


@pytest.fixture
def preg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    for name in [name for name in os.environ if name.startswith("PREG_")]:
        monkeypatch.delenv(name)
    return Shell(tmp_path, monkeypatch, capsys)


class TestUser:
    def test_from_the_first_to_none(self, preg: Shell) -> None:
        users = preg.folder / "users"
        assert preg("user", "add", "alice", "--group", "team", "--group", "ops", "--password-stdin", stdin="one\n") == 0
        assert preg.err == f"added alice to {users}\n"
        assert preg("user", "add", "bob", "--password-stdin", stdin="tw o\r\n") == 0
        assert preg("user", "list") == 0
        assert [line.split() for line in preg.out.splitlines()] == [
            ["USER", "GROUPS", "HASH"],
            ["alice", "team,ops", "argon2id"],
            ["bob", "argon2id"],
        ]
        assert matches("tw o", read_users(users)["bob"].hash)
        assert preg("user", "passwd", "alice", "--password-stdin", stdin="three") == 0
        assert matches("three", read_users(users)["alice"].hash)
        assert read_users(users)["alice"].groups == ("team", "ops")
        assert preg("user", "rm", "alice") == 0
        assert list(read_users(users)) == ["bob"]

    @pytest.mark.parametrize(
        ("words", "stdin", "said"),
        [
            (("add", "alice", "--password-stdin"), "x", "there is a user alice in"),
            (("add", "bob", "--password-stdin"), "", "one line of printable characters"),
            (("add", "bob", "--password-stdin"), "a\nb\n", "one line of printable characters"),
            (("add", "a:b", "--password-stdin"), "x", "cannot be the name of a user"),
            (("add", "bob"), "s3cret", "there is no terminal to ask for a password on: give --password-stdin"),
            (("passwd", "bob", "--password-stdin"), "x", "there is no user bob in"),
            (("rm", "bob"), "", "there is no user bob in"),
        ],
    )
    def test_what_cannot_be_done(self, preg: Shell, words: tuple[str, ...], stdin: str, said: str) -> None:
        assert preg("user", "add", "alice", "--password-stdin", stdin="one") == 0
        before = (preg.folder / "users").read_text()
        assert preg("user", *words, stdin=stdin) == 1
        assert re.fullmatch(rf"preg user: .*{re.escape(said)}.*\n", preg.err)
        assert "s3cret" not in preg.err + preg.out
        assert (preg.folder / "users").read_text() == before

    def test_before_there_is_a_file(self, preg: Shell) -> None:
        assert preg("user", "list") == 1
        assert "`preg user add` makes it" in preg.err

    def test_users_of_a_plug_in_are_not_ours_to_change(self, preg: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PREG_AUTH_USERS", "ldap://host")
        assert preg("user", "list") == 1
        assert preg.err == "preg user: the users are kept by the plug-in ldap: change them there\n"

    def test_a_server_that_asks_nobody_is_mentioned(self, preg: Shell) -> None:
        preg.ask_nobody()
        assert preg("user", "add", "alice", "--password-stdin", stdin="one") == 0
        assert "mode is none" in preg.err

    def test_the_logins_that_clients_keep_are_ended(self, preg: Shell) -> None:
        store = open_driver(str(preg.folder / "store"))
        state = open_state(store)

        async def account(name: str) -> Account:
            return Account(Principal(name), "fingerprint")

        tokens = RefreshTokens(state, account, 3600)

        async def login(name: str) -> str | None:
            return await tokens.issue(Principal(name))

        kept = [asyncio.run(login(name)) for name in ("alice", "alice", "bob")]
        assert preg("user", "revoke", "alice") == 0
        assert preg.err == "revoked 2 refresh tokens of alice; the password still holds\n"
        for token in kept[:2]:
            with pytest.raises(CredentialsRefused, match="no such refresh token"):
                asyncio.run(tokens.principal(token or ""))
        assert asyncio.run(tokens.principal(kept[2] or "")) == Principal("bob")
        asyncio.run(store.aclose())
        asyncio.run(state.aclose())

    def test_no_password_is_taken_as_an_argument(self, preg: Shell) -> None:
        with pytest.raises(SystemExit) as caught:
            preg("user", "add", "alice", "--password", "s3cret")
        assert caught.value.code == 2

    @pytest.mark.parametrize(("second", "status"), [("s3cret", 0), ("another", 1)])
    def test_a_terminal_is_asked_twice_and_shows_nothing(self, preg: Shell, second: str, status: int) -> None:
        require_terminals()
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime", "user", "add", "alice", "--config", str(preg.config)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        os.close(slave)
        screen = b""
        for prompt, answer in ((b"Password for alice: ", "s3cret"), (b"Once more: ", second)):
            while prompt not in screen:
                screen += os.read(master, 1024)
            os.write(master, f"{answer}\n".encode())
        assert process.wait() == status
        os.close(master)
        assert b"s3cret" not in screen
        assert (preg.folder / "users").exists() is (status == 0)


class TestKey:
    def create(self, preg: Shell, *more: str) -> str:
        assert preg("key", "create", "--name", "ci", "--repo", "team/*", "--actions", "push,pull", *more) == 0
        return preg.out

    def test_from_its_making_to_its_end(self, preg: Shell) -> None:
        assert re.fullmatch(r"preg_ci_[0-9a-f]{64}\n", self.create(preg, "--repo", "x", "--expires", "90d"))
        assert "It cannot be shown again" in preg.err
        assert preg("key", "list") == 0
        title, row = preg.out.splitlines()
        assert title.split() == ["KEY", "REPOSITORIES", "ACTIONS", "CREATED", "EXPIRES", "LAST", "USE"]
        assert re.fullmatch(r"ci +team/\*,x +pull,push +(20\d\d-\d\d-\d\dT\d\d:\d\dZ +){2}never", row)
        assert preg("key", "revoke", "ci") == 0
        assert preg("key", "list") == 0
        assert len(preg.out.splitlines()) == 1
        assert preg("key", "revoke", "ci") == 1
        assert preg.err == "preg key: there is no key ci\n"

    @pytest.mark.parametrize(("actions", "warned"), [("push", True), ("push,delete", True), ("pull,push", False)])
    def test_one_that_may_push_and_not_pull_is_warned_of(self, preg: Shell, actions: str, warned: bool) -> None:
        assert preg("key", "create", "--name", "ci", "--repo", "x/*", "--actions", actions) == 0
        assert re.fullmatch(r"preg_ci_[0-9a-f]{64}\n", preg.out)
        assert ("warning: this key cannot push where it may not pull" in preg.err) is warned

    def test_its_secret_is_on_no_disk(self, preg: Shell) -> None:
        secret = self.create(preg).strip().rpartition("_")[2].encode()
        kept = [path.read_bytes() for path in preg.folder.rglob("*") if path.is_file()]
        assert len(kept) > 2
        assert not [data for data in kept if secret in data]

    @pytest.mark.parametrize(
        ("option", "value", "said"),
        [
            ("--expires", "90", "not a number followed by m, h, d or w"),
            ("--expires", "0d", "not a number followed by"),
            ("--actions", "pull,psh", "'psh' is none of pull, push, delete, catalog"),
            ("--actions", "", "'' is none of"),
        ],
    )
    def test_what_is_misspelt(
        self, preg: Shell, option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as caught:
            self.create(preg, option, value)
        assert caught.value.code == 2
        assert said in capsys.readouterr().err

    def test_a_glob_that_matches_nothing(self, preg: Shell) -> None:
        assert preg("key", "create", "--name", "ci", "--repo", "Team/*", "--actions", "pull") == 1
        assert "'Team/*' matches no repository" in preg.err

    def test_who_is_not_the_servers_user_is_stopped(self, preg: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(commands.os, "geteuid", lambda: 12345)
        assert preg("key", "list") == 1
        assert "run this command as that user" in preg.err
        assert not (preg.folder / "store/preg").exists()


class TestExplain:
    @pytest.fixture(autouse=True)
    def _alice(self, preg: Shell) -> None:
        assert preg("user", "add", "alice", "--group", "team", "--password-stdin", stdin="one") == 0

    @pytest.mark.parametrize(
        ("words", "status", "said"),
        [
            ("--user alice --repo team/app --action push", 0, "rule 1 of {} allows group:team pull, push on team/*"),
            ("--user alice --repo x --action delete", 1, "no rule of {} allows alice group:team delete on x"),
            ("--user alice --repo public/a/b --action pull", 0, "rule 2 of {} allows anonymous pull on public/**"),
            ("--user anonymous --repo public/a --action pull", 0, "rule 2 of {} allows anonymous pull on public/**"),
            ("--user anonymous --repo team/app --action pull", 1, "no rule of {} allows anonymous pull on team/app"),
            ("--user alice --action catalog", 1, "no rule of {} allows alice group:team catalog"),
            (
                "--user oidc:acme-ci --repo ci/x --action pull",
                0,
                "rule 3 of {} allows group:ci pull on ci/*",
            ),
            ("--user cert:host1 --repo ci/x --action pull", 0, "rule 3 of {} allows cert:host1 pull on ci/*"),
            ("--user alice --group ci --repo ci/x --action pull", 0, "rule 3 of {} allows group:ci pull on ci/*"),
        ],
    )
    def test_the_answer_and_its_rule(self, preg: Shell, words: str, status: int, said: str) -> None:
        assert preg("auth", "explain", *words.split()) == status
        rule = said.replace("{}", str(preg.folder / "policy.toml"))
        assert preg.out == f"{('allowed', 'denied')[status]}: {rule}\n"
        assert preg.err == ""

    def test_a_key(self, preg: Shell) -> None:
        explain = ("auth", "explain", "--user", "key:ci", "--repo", "x/y", "--action", "pull")
        assert preg(*explain) == 2
        assert preg.err == "preg auth: the key ci does not exist\n"
        assert preg("key", "create", "--name", "ci", "--repo", "x/*", "--actions", "pull") == 0
        assert preg(*explain) == 0
        assert preg.out == "allowed: key:ci was made for pull on x/*\n"
        assert preg("auth", "explain", "--user", "key:ci", "--repo", "team/app", "--action", "pull") == 1
        assert preg.out == "denied: key:ci was made for pull on x/*, and no rule allows it more\n"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("--user nobody --repo team/app --action pull", "knows no user nobody"),
            ("--user alice --action pull", "Give --repo REPOSITORY"),
            ("--user alice --repo Team --action pull", "--repo 'Team' is no repository: "),
        ],
    )
    def test_what_cannot_be_said(self, preg: Shell, words: str, said: str) -> None:
        assert preg("auth", "explain", *words.split()) == 2
        assert said in preg.err
        assert preg.out == ""

    def test_a_policy_that_is_broken(self, preg: Shell) -> None:
        (preg.folder / "policy.toml").write_text("[[rule]]\n")
        assert preg("auth", "explain", "--user", "alice", "--repo", "x", "--action", "pull") == 2
        assert re.fullmatch(rf"preg auth: rule 1 of {preg.folder}/policy.toml: .*`who`.*\n", preg.err)

    def test_settings_under_which_no_policy_decides(self, preg: Shell) -> None:
        preg.ask_nobody()
        explain = ("auth", "explain", "--user", "anonymous", "--repo", "x", "--action", "delete")
        assert preg(*explain) == 0
        assert preg.out == "allowed: [auth] mode is none, so everybody may do everything\n"
        external = '[token]\nissuer = "theirs"\nrealm = "https://token.example/"\njwks = "/etc/preg/jwks.json"\n'
        preg.config.write_text(preg.config.read_text().replace('"none"', '"token"') + external)
        assert preg(*explain) == 2
        assert preg.err == "preg auth: theirs decides what its tokens allow: ask there\n"

    def test_without_a_policy(self, preg: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PREG_AUTH_POLICY", "")
        assert preg("auth", "explain", "--user", "alice", "--repo", "x", "--action", "delete") == 0
        assert preg.out == "allowed: the default policy allows authenticated pull, push, delete, catalog on **\n"
