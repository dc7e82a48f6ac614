"""What a person wants a volume to be, as Docker's driver local takes it."""

from __future__ import annotations

from runtime.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

_KEYS: Final = ("type", "device", "o")
_NEEDED: Final = ("device", "type")


def read_volume_options(texts: Iterable[str], option: str) -> dict[str, str]:
    """Read options, each ``KEY=VALUE``; of two with one key the later counts. Raises UsageError."""
    found = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key == "size":
            raise UsageError(f"{option} {text}: preg limits the size of no volume but of a tmpfs, by o=size={value}")
        if key not in _KEYS or "\0" in value:
            raise UsageError(f"{option} {text}: invalid option: {key!r}: there are {', '.join(_KEYS)}")
        found[key] = value
    for key in _NEEDED:
        if found and not found.get(key):
            raise UsageError(f"{option}: missing required option: {key!r}: type and device are needed, o is not")
    return found
