"""``preg auth explain``: what the policy says, and why."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from auth.action import Action
from auth.errors import AuthMisconfigured
from auth.keys import ApiKeys
from auth.names import ANONYMOUS as NOBODY
from auth.plugins import open_directory
from auth.policy import ACTIONS, DEFAULT, Policy
from auth.principal import ANONYMOUS, Principal
from registry.commands import add_command, opened_state, run
from storage.oci.errors import RegistryError
from storage.oci.reference import parse_name

if TYPE_CHECKING:
    from registry.config import Config


def main(arguments: list[str]) -> int:
    """Run ``preg auth`` and say with which code to exit: 0 for allowed, 1 for denied, 2 if that cannot be said."""
    parser = argparse.ArgumentParser(prog="preg auth", description="Find out who may do what.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    explain = add_command(
        commands,
        "explain",
        _explain,
        "tell whether somebody may do something, and which rule says so",
        "The exit status is 0 for allowed, 1 for denied, and 2 if that cannot be said. "
        "example: preg auth explain --user alice --repo team/app --action push",
    )
    explain.add_argument(
        "--user",
        metavar="WHO",
        required=True,
        help="a user, key:NAME, oidc:NAME, cert:NAME, or anonymous",
    )
    explain.add_argument("--group", metavar="GROUP", action="append", default=[], help="as if a member; repeatable")
    explain.add_argument("--repo", metavar="REPOSITORY", default="", help="needed for all actions but catalog")
    explain.add_argument("--action", choices=[str(action) for action in ACTIONS], required=True)
    return run(parser, arguments, fault=2)


def _explain(settings: "Config", options: argparse.Namespace) -> int:
    action = Action(options.action)
    _check_repository(action, options.repo)
    if settings.auth.mode == "none":
        sys.stdout.write("allowed: [auth] mode is none, so everybody may do everything\n")
        return 0
    if settings.auth.mode == "token" and settings.token.external:
        raise AuthMisconfigured(f"{settings.token.issuer} decides what its tokens allow: ask there")
    policy = Policy.read(Path(settings.auth.policy)) if settings.auth.policy else DEFAULT
    principal = asyncio.run(_find(settings, options.user))
    principal = principal._replace(groups=principal.groups.union(options.group))
    decision = policy.decide(principal, action, options.repo)
    sys.stdout.write(f"{'allowed' if decision.allowed else 'denied'}: {decision.reason}\n")
    return 0 if decision.allowed else 1


def _check_repository(action: Action, repository: str) -> None:
    if action is Action.CATALOG:
        return
    if not repository:
        raise AuthMisconfigured(f"where is somebody to {action}? Give --repo REPOSITORY")
    try:
        parse_name(repository)
    except RegistryError as error:
        raise AuthMisconfigured(f"--repo {repository!r} is no repository: {error}") from error


async def _find(settings: "Config", who: str) -> Principal:
    """Give somebody with the groups and the grants that there are for him. Raises AuthError and StorageError."""
    kind, colon, name = who.partition(":")
    if who == NOBODY:
        return ANONYMOUS
    if kind == "key" and colon:
        return await _find_key(settings, name)
    if kind == "oidc" and colon:
        groups = (rule.groups for issuer in settings.oidc for rule in issuer.rules if rule.principal == name)
        return Principal(who, frozenset().union(*groups))
    if kind == "cert" and colon:
        return Principal(who)
    found = await open_directory(settings.auth.users).groups(who)
    if found is None:
        raise AuthMisconfigured(f"{settings.auth.users} knows no user {who}")
    return Principal(who, frozenset(found))


async def _find_key(settings: "Config", name: str) -> Principal:
    async with opened_state(settings) as state:
        keys = ApiKeys(state)
        key = await keys.find(name)
    if key is None or keys.is_expired(key):
        raise AuthMisconfigured(f"the key {name} {'does not exist' if key is None else 'has expired'}")
    return key.principal
