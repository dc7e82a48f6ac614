"""The file of users: ``name:hash`` or ``name:hash:group,group`` on each line.

Every line that ``htpasswd -B`` writes is one. Blank lines, and those that begin with ``#``, say nothing.
"""

import contextlib
import fcntl
import os
import stat
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from auth.errors import AuthMisconfigured
from auth.names import RESERVED, is_name
from auth.passwords import NOBODY, is_hash, spoil
from auth.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from auth.passwords import Passwords

_PRIVATE: Final = 0o600
#: Who else but its owner and its group may read a file of users: nobody.
_NOT_OTHERS: Final = 0o660
#: For how many seconds somebody else may be changing the file.
_PATIENCE: Final = 10.0


class User(NamedTuple):
    """A line of the file. Its ``repr`` does not hold the hash."""

    name: str
    hash: str
    groups: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Name the user and the groups."""
        return f"User({self.name!r}, groups={self.groups!r})"


class UserFile:
    """The ``auth.directory.Directory`` of a file, which is read again when it changes.

    Raises AuthMisconfigured where the file cannot be used; once it could, a change that cannot is logged and ignored.
    """

    def __init__(self, path: Path, passwords: "Passwords", *, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._users = Watched(path, read_users, clock=clock)
        self._passwords = passwords

    async def check(self, user: str, password: str, /) -> tuple[str, ...] | None:
        """Give the groups of a user whose password this is. It takes as long for a user that there is not."""
        users = await self._users.current()
        found = users.get(user)
        right = await self._passwords.verify(password, found.hash if found else _decoy(users, user))
        return found.groups if found and right else None

    async def groups(self, user: str, /) -> tuple[str, ...] | None:
        """Give the groups of a user, None where there is no such user."""
        found = (await self._users.current()).get(user)
        return found.groups if found else None

    async def fingerprint(self, user: str, /) -> str | None:
        """Give what changes with the user's password, None where there is no such user."""
        found = (await self._users.current()).get(user)
        return sha256(found.hash.encode()).hexdigest() if found else None


def read_users(path: Path) -> dict[str, User]:
    """Read the users by name, in the file's order. Raises AuthMisconfigured."""
    return {user.name: user for user in _parse(_read_lines(path), path) if user}


def add_user(path: Path, user: User) -> None:
    """Add a user to a file, which is made if it is not there.

    As with all that change a file of users: it is replaced durably and at once, its other lines stay as they are, and
    of two who change it neither undoes the other's work. Raises AuthMisconfigured, with nothing changed.
    """
    _check_user(user)
    if not os.path.lexists(path):
        with contextlib.suppress(FileExistsError), _naming(path):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _PRIVATE))

    def change(lines: list[str], place: int | None) -> None:
        if place is not None:
            raise AuthMisconfigured(f"there is a user {user.name} in {path} already")
        lines.append(_line(user))

    _edit(path, user.name, change)


def set_password(path: Path, name: str, hashed: str) -> None:
    """Give a user another password. Raises AuthMisconfigured."""

    def change(lines: list[str], place: int | None) -> None:
        place = _existing(place, name, path)
        _, _, groups = _fields(lines[place])
        lines[place] = _line(User(name, hashed, groups))

    _edit(path, name, change)


def remove_user(path: Path, name: str) -> None:
    """Remove a user. Raises AuthMisconfigured."""

    def change(lines: list[str], place: int | None) -> None:
        del lines[_existing(place, name, path)]

    _edit(path, name, change)


def _edit(path: Path, name: str, change: "Callable[[list[str], int | None], None]") -> None:
    """Let ``change`` work on the lines of a file; it is told in which of them the user is."""
    path = Path(os.path.realpath(path))
    with _naming(path), _alone_with(path):
        lines = _read_lines(path)
        names = [user.name if user else "" for user in _parse(lines, path)]
        change(lines, names.index(name) if name in names else None)
        _replace(path, "".join(f"{line}\n" for line in lines))


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise _missing(path) from error
    except OSError as error:
        raise AuthMisconfigured(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AuthMisconfigured(f"{path} is not text in UTF-8") from error
    return text.removesuffix("\n").split("\n") if text else []


def _missing(path: Path) -> AuthMisconfigured:
    return AuthMisconfigured(f"there is no file {path}: `preg user add` makes it with its first user")


def _parse(lines: "Sequence[str]", path: Path) -> "Iterator[User | None]":
    """Give the user of each line, None for a line that says nothing."""
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            yield None
            continue
        user = _fields(line)
        try:
            _check_user(user)
            if user.name in seen:
                raise AuthMisconfigured(f"there is another line for {user.name}")
        except AuthMisconfigured as error:
            raise AuthMisconfigured(f"line {number} of {path}: {error}") from error
        seen.add(user.name)
        yield user


def _fields(line: str) -> User:
    name, _, rest = line.strip().partition(":")
    hashed, _, groups = rest.partition(":")
    return User(name, hashed, tuple(groups.split(",")) if groups else ())


def _line(user: User) -> str:
    return ":".join((user.name, user.hash, *([",".join(user.groups)] if user.groups else ())))


def _check_user(user: User) -> None:
    """Raise AuthMisconfigured, without saying what could be a secret in the wrong place."""
    for kind, name in (("a user", user.name), *(("a group", group) for group in user.groups)):
        if not is_name(name):
            raise AuthMisconfigured(
                f"this cannot be the name of {kind}: names hold no colon, comma, star or space,"
                f" do not begin with #, and are not {' or '.join(RESERVED)}"
            )
    if not is_hash(user.hash):
        raise AuthMisconfigured(
            "the hash is neither of argon2id nor of bcrypt: `preg user passwd` and `htpasswd -B` make such"
        )


def _decoy(users: "Mapping[str, User]", name: str) -> str:
    """Make the hash that is checked for a user who is none: always the same, and as costly as those of others.

    It is no password's: one that somebody has must not be told from one that nobody has.
    """
    hashes = [user.hash for user in users.values()]
    return spoil(hashes[hash(name) % len(hashes)]) if hashes else NOBODY


def _existing(place: int | None, name: str, path: Path) -> int:
    if place is None:
        raise AuthMisconfigured(f"there is no user {name} in {path}")
    return place


@contextlib.contextmanager
def _naming(path: Path) -> "Iterator[None]":
    """Say of which file the system complained."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise AuthMisconfigured(f"{path} cannot be changed: {error.strerror}") from error


@contextlib.contextmanager
def _alone_with(path: Path) -> "Iterator[None]":
    """Hold a lock on the file, which those cannot open who may not read it. Raises AuthMisconfigured."""
    file = _locked(path)
    try:
        yield
    finally:
        os.close(file)


def _locked(path: Path) -> int:
    """Open and lock a file, for which there is a limit of time. Raises AuthMisconfigured."""
    deadline = time.monotonic() + _PATIENCE
    while (file := _try_to_lock(path)) is None:
        if time.monotonic() > deadline:
            raise AuthMisconfigured(
                f"{path} has been locked for {_PATIENCE:.0f} seconds: `lslocks` names the process that holds it"
            )
        time.sleep(0.02)
    return file


def _try_to_lock(path: Path) -> int | None:
    """Open and lock a file; None if another process has it, or has replaced it by another just now."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _missing(path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_there_still = os.path.samestat(os.fstat(file), os.stat(path))
    except (BlockingIOError, FileNotFoundError):
        is_there_still = False
    if is_there_still:
        return file
    os.close(file)
    return None


def _replace(path: Path, text: str) -> None:
    """Write a file anew, with the owner it has: the server may run as another user than who manages it."""
    old = os.stat(path)
    new = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            status = os.fstat(descriptor)
            if (status.st_uid, status.st_gid) != (old.st_uid, old.st_gid):
                os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & _NOT_OTHERS)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
