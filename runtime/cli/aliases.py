"""Docker's other words for the same commands: those of the families, and what ``ls`` and ``rm`` are called besides."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_CONTAINER: Final = (
    *("attach", "cp", "create", "diff", "exec", "kill", "logs", "pause", "port", "rename", "restart", "rm", "run"),
    *("start", "stats", "stop", "top", "unpause", "update", "wait"),
)
_IMAGE: Final = ("history", "load", "pull", "push", "save", "tag")
#: What each stands for: a command, perhaps with an option. The first of a family with one meaning is in its help.
ALIASES: Final = {
    **{f"container {verb}": verb for verb in _CONTAINER},
    "container inspect": "inspect --type container",
    "container ls": "ps",
    "container list": "ps",
    "container ps": "ps",
    "container remove": "rm",
    **{f"image {verb}": verb for verb in _IMAGE},
    "image inspect": "inspect --type image",
    "image ls": "images",
    "image list": "images",
    "image prune": "prune",
    "image rm": "rmi",
    "image remove": "rmi",
    "network list": "network ls",
    "network remove": "network rm",
    "volume list": "volume ls",
    "volume remove": "volume rm",
    "system events": "events",
    "system info": "info",
}


def expand(words: list[str]) -> list[str]:
    """Give the words of the command that the first two stand for; as they are if they stand for none."""
    meaning = ALIASES.get(" ".join(words[:2]))
    return words if meaning is None else [*meaning.split(), *words[2:]]


def names_of(command: str) -> list[str]:
    """List all names of a command, its own first."""
    return [command, *(alias for alias, meaning in ALIASES.items() if meaning == command)]
