"""The executable twin of ``auth.directory``: what a directory of users, ours or a third party's, must pass.

Adopt it in one class; it needs pytest and pytest-asyncio in automatic mode::

    class TestMyDirectory(DirectoryContract):
        @pytest.fixture
        async def directory(self):
            yield MyDirectory(...)   # knows the user USER by PASSWORD, a member of GROUPS, and no other user

        async def change_password(self, directory, password): ...
        async def remove(self, directory): ...
"""

import asyncio
from typing import Final

import pytest

from auth.directory import Directory

USER: Final = "contract-user"
PASSWORD: Final = "päss:wörd, with spaces"
GROUPS: Final = frozenset({"contract-group", "another-group"})


class DirectoryContract:
    """Every promise of ``auth.directory.Directory``; subclasses provide the fixture ``directory`` and two methods."""

    async def change_password(self, directory: Directory, password: str) -> None:
        """Give USER another password; the directory is to know it when this returns."""
        raise NotImplementedError

    async def remove(self, directory: Directory) -> None:
        """Remove USER; the directory is to know it when this returns."""
        raise NotImplementedError

    async def test_the_right_password(self, directory: Directory) -> None:
        groups = await directory.check(USER, PASSWORD)
        assert groups is not None
        assert frozenset(groups) == GROUPS

    @pytest.mark.parametrize(
        "password",
        ["", " ", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), PASSWORD + "\0", "\0", "*", "x" * 60_000, "\ud800"],
    )
    async def test_a_wrong_password(self, directory: Directory, password: str) -> None:
        assert await directory.check(USER, password) is None

    @pytest.mark.parametrize(
        "user", ["nobody", USER.upper(), USER + "x", USER[:-1], "*", "contract-*", "a)(uid=*", "ä", "x" * 255]
    )
    async def test_who_is_no_user(self, directory: Directory, user: str) -> None:
        assert await directory.check(user, PASSWORD) is None
        assert await directory.check(user, "") is None
        assert await directory.groups(user) is None
        assert await directory.fingerprint(user) is None

    async def test_groups_are_known_without_the_password(self, directory: Directory) -> None:
        groups = await directory.groups(USER)
        assert groups is not None
        assert frozenset(groups) == GROUPS

    async def test_a_changed_password(self, directory: Directory) -> None:
        before = await directory.fingerprint(USER)
        assert before == await directory.fingerprint(USER)
        assert before
        assert PASSWORD not in before
        assert await directory.check(USER, PASSWORD) is not None
        await self.change_password(directory, "another")
        assert await directory.check(USER, PASSWORD) is None
        assert await directory.check(USER, "another") is not None
        assert await directory.fingerprint(USER) not in (before, None)

    async def test_a_removed_user(self, directory: Directory) -> None:
        assert await directory.check(USER, PASSWORD) is not None
        await self.remove(directory)
        assert await directory.check(USER, PASSWORD) is None
        assert await directory.groups(USER) is None
        assert await directory.fingerprint(USER) is None

    async def test_many_at_once(self, directory: Directory) -> None:
        passwords = [PASSWORD if number % 3 else "wrong" for number in range(12)]
        found = await asyncio.gather(*(directory.check(USER, password) for password in passwords))
        assert [groups is not None for groups in found] == [password == PASSWORD for password in passwords]
