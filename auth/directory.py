"""Who keeps the users: the protocol of a plug-in of the group ``preg.auth``.

Its executable twin is ``auth.testing.DirectoryContract``. A plug-in needs to import nothing of ours.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class Directory(Protocol):
    """Users, their groups and their passwords.

    Users are called as ``auth.names.is_name`` allows, and no other name is asked for. Names are compared as they are
    written: a directory that knows ``Alice`` by ``alice`` too must refuse all but one spelling, or rules that deny
    something to the one would not hold for the other.

    Nothing is remembered of what ``check`` says, so a directory that is slow remembers by itself. What the others say
    of somebody with a token is, for two seconds, or for five minutes while the directory cannot be reached, which is
    what ``OSError`` of any kind means. All methods may be called from many tasks at once, with whatever
    text a client sends.
    """

    async def check(self, user: str, password: str, /) -> "Iterable[str] | None":
        """Give the groups of a user whose password this is, None if it is wrong or there is no such user."""

    async def groups(self, user: str, /) -> "Iterable[str] | None":
        """Give the groups of a user, None where there is no such user, or none any more who may log in."""

    async def fingerprint(self, user: str, /) -> str | None:
        """Give a text that changes whenever the user's password does, None where there is no such user.

        Tokens that were given out under another one are refused.
        """
