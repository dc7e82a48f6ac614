"""What a registry does not do for us, in words that name the repository and the action."""

from typing import TYPE_CHECKING, Final

from storage.oci import errors

if TYPE_CHECKING:
    from storage.remote.credentials import Credentials

#: By the actions of a scope.
_ACTIONS: Final = {
    "pull": "pull {}",
    "pull,push": "push to {}",
    "delete,pull,push": "delete from {}",
    "*": "list the repositories",
}


class NotARegistry(errors.RegistryError):
    """What answers is no registry."""


def describe(scopes: tuple[str, ...]) -> str:
    """Say what scopes are for, as ``push to team/app``."""
    if not scopes:
        return "come in"
    _, name, actions = scopes[0].split(":")
    return _ACTIONS[actions].format(name)


def refuse(
    registry: str, fault: errors.RegistryError, scopes: tuple[str, ...], held: "Credentials | None", cure: str
) -> errors.RegistryError:
    """Say who may not do what. ``cure`` is empty where the registry knows who we are, and that we may not."""
    action = describe(scopes)
    if held is None:
        missing = ", or there is no such repository" if action.startswith("pull") else ""
        return type(fault)(f"{registry}: without a login you may not {action}{missing}: {fault}; {cure} {registry}")
    who = repr(held.user) if held.user else "the user of this login"
    if cure:
        return type(fault)(f"{registry}: {who} is not let in to {action}: {fault}; {cure}")
    return type(fault)(f"{registry}: {who} may not {action}: {fault}; the login you have does not allow it")
