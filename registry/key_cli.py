"""``preg key``: API keys for machines."""

import argparse
import asyncio
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from auth.action import Action
from auth.errors import AuthMisconfigured
from auth.keys import ApiKeys
from auth.policy import ACTIONS
from registry.commands import add_command, note, opened_state, print_table, run

if TYPE_CHECKING:
    from registry.config import Config

_UNITS: Final = {"m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def main(arguments: list[str]) -> int:
    """Run ``preg key`` and say with which code to exit."""
    parser = argparse.ArgumentParser(
        prog="preg key",
        description="Manage API keys: passwords for machines, which do no more than they were made for. "
        "Any user name goes with them. Run this as the user that runs the server.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    create = add_command(
        commands,
        "create",
        _create,
        "make a key, and print it this one time",
        "example: preg key create --name ci --repo 'team/*' --actions pull,push --expires 90d",
    )
    create.add_argument("--name", metavar="NAME", required=True, help="a policy knows the key as key:NAME")
    create.add_argument(
        "--repo",
        metavar="GLOB",
        action="append",
        required=True,
        help="repositories it is for; `*` is any characters but the slash, `**` any; repeatable",
    )
    create.add_argument(
        "--actions", metavar="LIST", type=_actions, required=True, help=f"any of {','.join(ACTIONS)}; push needs pull"
    )
    create.add_argument("--expires", metavar="TIME", type=_seconds, help="such as 12h, 90d or 4w; never if left out")
    add_command(commands, "list", _list, "list the keys and their last use", "example: preg key list")
    revoke = add_command(commands, "revoke", _revoke, "refuse a key from now on", "example: preg key revoke ci")
    revoke.add_argument("name", metavar="NAME")
    return run(parser, arguments)


def _create(settings: "Config", options: argparse.Namespace) -> int:
    async def work() -> str:
        async with opened_state(settings) as state:
            return await ApiKeys(state).create(options.name, options.repo, options.actions, lifetime=options.expires)

    password = asyncio.run(work())
    if Action.PUSH in options.actions and Action.PULL not in options.actions:
        note("warning: this key cannot push where it may not pull, and it was not made to: give --actions pull,push")
    note(f"This is the key {options.name}, to be given as a password. It cannot be shown again.")
    sys.stdout.write(f"{password}\n")
    return 0


def _list(settings: "Config", _options: argparse.Namespace) -> int:
    async def work() -> list[tuple[str, ...]]:
        async with opened_state(settings) as state:
            return [
                (
                    key.name,
                    ",".join(key.repositories),
                    ",".join(key.actions),
                    _time(key.created),
                    "never" if key.expires is None else _time(key.expires),
                    "never" if used is None else _time(used),
                )
                async for key, used in ApiKeys(state).list()
            ]

    print_table([("KEY", "REPOSITORIES", "ACTIONS", "CREATED", "EXPIRES", "LAST USE"), *asyncio.run(work())])
    return 0


def _revoke(settings: "Config", options: argparse.Namespace) -> int:
    async def work() -> bool:
        async with opened_state(settings) as state:
            return await ApiKeys(state).revoke(options.name)

    if not asyncio.run(work()):
        raise AuthMisconfigured(f"there is no key {options.name}")
    note(f"revoked {options.name}: every server of this storage refuses it within five seconds")
    return 0


def _actions(text: str) -> tuple[Action, ...]:
    words = text.split(",")
    for word in words:
        if word not in ACTIONS:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(ACTIONS)}")
    return tuple(action for action in ACTIONS if action in words)


def _seconds(text: str) -> int:
    parts = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number followed by m, h, d or w, such as 90d")
    return int(parts[1]) * _UNITS[parts[2]]


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")
