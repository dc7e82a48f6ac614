"""Directories by the URL of what they keep; other distributions add theirs under the entry-point group ``preg.auth``.

An entry point's name is the URL's scheme, its value a callable that takes the URL and gives an
``auth.directory.Directory``. It needs to import nothing of ours, and proves itself with
``auth.testing.DirectoryContract``.
"""

from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, TypeVarTuple
from urllib.parse import unquote, urlsplit

from auth.errors import AuthError, AuthMisconfigured, AuthUnavailable
from auth.passwords import Passwords
from auth.users import UserFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from auth.directory import Directory

_GROUP: Final = "preg.auth"

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def open_directory(users: str) -> "Directory":
    """Open the directory that a path or a URL names: a file of users, or a plug-in's. Raises AuthMisconfigured."""
    path = users_path(users)
    if path is not None:
        return UserFile(path, Passwords())
    scheme = urlsplit(users).scheme
    try:
        return GuardedDirectory(_factory(scheme)(users), scheme)
    except OSError as error:
        raise AuthMisconfigured(f"the directory of the plug-in {scheme} cannot be used: {error}") from error


def users_path(users: str) -> Path | None:
    """Give the path of the file that keeps the users, None where it is a plug-in that does."""
    parts = urlsplit(users)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path) if parts.scheme else users)


class GuardedDirectory:
    """A plug-in's directory made safe to use: it raises AuthUnavailable and nothing else."""

    def __init__(self, directory: "Directory", name: str) -> None:
        self._directory = directory
        self._name = name

    async def check(self, user: str, password: str, /) -> "Iterable[str] | None":
        """See ``Directory.check``."""
        return await self._ask(self._directory.check, user, password)

    async def groups(self, user: str, /) -> "Iterable[str] | None":
        """See ``Directory.groups``."""
        return await self._ask(self._directory.groups, user)

    async def fingerprint(self, user: str, /) -> str | None:
        """See ``Directory.fingerprint``."""
        return await self._ask(self._directory.fingerprint, user)

    async def _ask(self, question: "Callable[[*Ts], Awaitable[T]]", *args: *Ts) -> T:
        try:
            return await question(*args)
        except AuthError:
            raise
        except OSError as error:
            what = error.strerror or type(error).__name__
            raise AuthUnavailable(f"the directory of the plug-in {self._name} cannot be reached: {what}") from None
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            # Its own words could hold the password, and so could the traceback.
            what = type(error).__name__
            raise AuthUnavailable(f"the directory of the plug-in {self._name} failed with {what}") from None


def _factory(scheme: str) -> "Callable[[str], Directory]":
    factory: Callable[[str], Directory]
    for entry_point in entry_points(group=_GROUP, name=scheme):
        factory = entry_point.load()
        return factory
    known = sorted({"file", *entry_points(group=_GROUP).names})
    raise AuthMisconfigured(
        f"no directory for {scheme}:// URLs: give the path of a file of users, or a URL of {', '.join(known)}"
    )
