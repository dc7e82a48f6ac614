"""``preg user``: who may log in with a password."""

import argparse
import asyncio
import getpass
import sys
from typing import TYPE_CHECKING

from auth.errors import AuthMisconfigured
from auth.passwords import hash_password
from auth.plugins import users_path
from auth.refresh import RefreshTokens
from auth.users import User, add_user, read_users, remove_user, set_password
from registry.commands import add_command, note, opened_state, print_table, run

if TYPE_CHECKING:
    from pathlib import Path

    from registry.config import Config


def main(arguments: list[str]) -> int:
    """Run ``preg user`` and say with which code to exit."""
    parser = argparse.ArgumentParser(
        prog="preg user",
        description="Manage the file of users that [auth] users names. A running server sees a change within a second.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add = add_command(commands, "add", _add, "add a user", "example: preg user add alice --group team")
    passwd = add_command(commands, "passwd", _passwd, "change a password", "example: preg user passwd alice")
    rm = add_command(commands, "rm", _rm, "remove a user", "example: preg user rm alice")
    add_command(commands, "list", _list, "list the users", "example: preg user list")
    revoke = add_command(
        commands, "revoke", _revoke, "end the logins that docker and others keep", "example: preg user revoke alice"
    )
    for command in (add, passwd, rm, revoke):
        command.add_argument("name", metavar="USER")
    add.add_argument("--group", metavar="GROUP", action="append", default=[], help="make the user a member; repeatable")
    for command in (add, passwd):
        command.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    return run(parser, arguments)


def _add(settings: "Config", options: argparse.Namespace) -> int:
    path = _file(settings)
    add_user(path, User(options.name, hash_password(_read_password(options)), tuple(options.group)))
    note(f"added {options.name} to {path}")
    if settings.auth.mode == "none":
        note("note: [auth] mode is none, so the server does not ask who anybody is")
    return 0


def _passwd(settings: "Config", options: argparse.Namespace) -> int:
    path = _file(settings)
    if options.name not in read_users(path):
        raise AuthMisconfigured(f"there is no user {options.name} in {path}")
    set_password(path, options.name, hash_password(_read_password(options)))
    note(f"changed the password of {options.name}")
    return 0


def _rm(settings: "Config", options: argparse.Namespace) -> int:
    path = _file(settings)
    remove_user(path, options.name)
    note(f"removed {options.name} from {path}")
    return 0


def _revoke(settings: "Config", options: argparse.Namespace) -> int:
    async def work() -> int:
        async with opened_state(settings) as state:
            return await RefreshTokens(state, _nobody, settings.token.refresh_lifetime).revoke(options.name)

    note(f"revoked {asyncio.run(work())} refresh tokens of {options.name}; the password still holds")
    return 0


def _list(settings: "Config", _options: argparse.Namespace) -> int:
    users = read_users(_file(settings)).values()
    rows = [(user.name, ",".join(user.groups), "argon2id" if "argon2" in user.hash else "bcrypt") for user in users]
    print_table([("USER", "GROUPS", "HASH"), *rows])
    return 0


async def _nobody(_name: str) -> None:
    """Know no accounts: to revoke tokens it does not matter whose still hold."""


def _file(settings: "Config") -> "Path":
    path = users_path(settings.auth.users)
    if path is None:
        scheme = settings.auth.users.partition(":")[0]
        raise AuthMisconfigured(f"the users are kept by the plug-in {scheme}: change them there")
    return path


def _read_password(options: argparse.Namespace) -> str:
    """Read a password from standard input, or twice from the terminal. Raises AuthMisconfigured."""
    if options.password_stdin:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise AuthMisconfigured("there is no terminal to ask for a password on: give --password-stdin")
    try:
        password = getpass.getpass(f"Password for {options.name}: ")
        if getpass.getpass("Once more: ") != password:
            raise AuthMisconfigured("these are two passwords: try again")
    except EOFError as error:
        raise AuthMisconfigured("no password was given") from error
    return password
