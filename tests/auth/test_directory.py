"""Directories against the contract: ours, and one that another distribution brings along."""

import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from auth import passwords as passwords_module
from auth.directory import Directory
from auth.errors import AuthMisconfigured
from auth.passwords import Passwords, hash_password, matches, spoil
from auth.plugins import open_directory, users_path
from auth.testing import GROUPS, PASSWORD, USER, DirectoryContract
from auth.users import User, UserFile, add_user, remove_user, set_password

PLUGIN = """
class Directory:
    def __init__(self, url):
        self.url = url
        self.users = {}
        self.changes = 0

    async def check(self, user, password):
        known, groups, _ = self.users.get(user, (None, None, None))
        return groups if known == password else None

    async def groups(self, user):
        return self.users[user][1] if user in self.users else None

    async def fingerprint(self, user):
        return self.users[user][2] if user in self.users else None

    def set(self, user, password, groups):
        self.changes += 1
        self.users[user] = (password, groups, str(self.changes))


def unreachable(url):
    raise ConnectionRefusedError(111, "Connection refused")
"""


class TestUserFile(DirectoryContract):
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "users"
        add_user(path, User("somebody", hash_password("else")))
        add_user(path, User(USER, hash_password(PASSWORD), tuple(sorted(GROUPS))))
        return path

    @pytest.fixture
    def directory(self, file: Path) -> UserFile:
        # A second or more passes from each look at the clock to the next.
        return UserFile(file, Passwords(), clock=count(0, 2).__next__)

    @pytest.fixture(autouse=True)
    def _remember(self, file: Path) -> None:
        self.path = file

    async def change_password(self, _directory: Directory, password: str) -> None:
        set_password(self.path, USER, hash_password(password))

    async def remove(self, _directory: Directory) -> None:
        remove_user(self.path, USER)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install another distribution that has a directory."""
    (tmp_path / "third_party_users.py").write_text(PLUGIN)
    metadata = tmp_path / "third_party_users-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-users\nVersion: 1.0\n")
    entries = "[preg.auth]\nthird = third_party_users:Directory\ndown = third_party_users:unreachable\n"
    (metadata / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "third_party_users", raising=False)


class TestPlugin(DirectoryContract):
    @pytest.fixture
    def directory(self, installed: None) -> Directory:  # noqa: ARG002 - asked for its effect
        directory = open_directory("third://somewhere?x=1")
        self.plugin: Any = directory._directory  # type: ignore[attr-defined]
        assert self.plugin.url == "third://somewhere?x=1"
        self.plugin.set(USER, PASSWORD, sorted(GROUPS))
        return directory

    async def change_password(self, _directory: Directory, password: str) -> None:
        self.plugin.set(USER, password, sorted(GROUPS))

    async def remove(self, _directory: Directory) -> None:
        del self.plugin.users[USER]


def test_an_unknown_scheme_is_named_with_those_that_are_known(installed: None) -> None:
    with pytest.raises(AuthMisconfigured, match=r"no directory for gopher:// URLs: .* down, file, third"):
        open_directory("gopher://host")


def test_a_directory_that_cannot_be_reached_at_the_start(installed: None) -> None:
    with pytest.raises(AuthMisconfigured, match=r"the plug-in down cannot be used: .*Connection refused"):
        open_directory("down://host")


def test_a_path_and_a_file_url_are_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "with space"
    assert users_path(str(path)) == users_path(path.as_uri()) == path
    assert users_path("ldap://host") is None
    for users in (str(path), path.as_uri()):
        with pytest.raises(AuthMisconfigured, match=f"there is no file {path}"):
            open_directory(users)


async def test_an_unknown_user_costs_what_a_known_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash that is checked is of a kind that some user has, always the same, and nobody's."""
    path = tmp_path / "users"
    hashes = {"alice": hash_password("a"), "bob": "$2y$05$LhMhABe3To9kS3klwgjJ0OySbyr0fmTr1GjJ50J40idjmvXVnUW4C"}
    for name, hashed in hashes.items():
        add_user(path, User(name, hashed))
    passwords = Passwords()
    checked: list[str] = []

    async def verify(_password: str, hashed: str) -> bool:
        checked.append(hashed)
        return True

    monkeypatch.setattr(passwords, "verify", verify)
    directory = UserFile(path, passwords)
    for number in range(40):
        for _ in range(2):
            assert await directory.check(f"nobody-{number}", "x") is None
    assert checked[::2] == checked[1::2]
    assert set(checked) == {spoil(hashed) for hashed in hashes.values()}
    path.write_text("")
    empty = UserFile(path, passwords)
    assert await empty.check("nobody", "x") is None
    assert len(checked) == 81


async def test_a_password_that_somebody_has_is_not_told_from_others_by_a_name_that_nobody_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the second try answered at once, it would be known to be in use."""
    path = tmp_path / "users"
    add_user(path, User("bob", hash_password("in-use")))
    checked: list[str] = []

    def check(password: str, hashed: str) -> bool:
        checked.append(password)
        return matches(password, hashed)

    monkeypatch.setattr(passwords_module, "matches", check)
    directory = UserFile(path, Passwords())
    for password in ("in-use", "not-in-use"):
        for _ in range(2):
            assert await directory.check("nobody", password) is None
    assert checked == ["in-use", "in-use", "not-in-use", "not-in-use"]
    assert await directory.check("bob", "in-use") is not None
