"""Which machines an image is for, and which this one can execute.

Names are those of Go, as image-spec has them (image-index.md, "platform"). Nothing slow is imported: every start of a
container asks whether its image is for this host.
"""

from __future__ import annotations

import os

from runtime.errors import Fault, UsageError
from runtime.lean import NamedTuple, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")
_SYSTEMS: Final = frozenset({"linux", "windows", "darwin", "freebsd", "openbsd", "netbsd", "solaris", "wasip1"})
#: What kernels and people call architectures, with the variant that says, and Go's name for both.
_ALIASES: Final = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "loongarch64": ("loong64", ""),
}
#: The variant that an architecture has if none is named.
_PLAIN: Final = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
#: The variants of an architecture are levels that include each other, from this one on.
_LOWEST: Final = {"arm": 5, "arm64": 8, "amd64": 1}
_VARIANTS: Final = tuple(f"v{number}" for number in range(1, 10))
#: What a processor must know for the next level of amd64 (x86-64 psABI), as /proc/cpuinfo calls it.
_LEVELS: Final = (
    "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3",
    "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "avx512f avx512bw avx512cd avx512dq avx512vl",
)


class Platform(NamedTuple):
    """A kind of machine. ``variant`` is empty where it is the architecture's usual one."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Write it as people do."""
        return "/".join(part for part in self if part)

    def runs(self, image: Platform) -> bool:
        """Tell whether this machine executes an image. What an image does not say of itself is taken to fit."""
        if not image.architecture:
            return True
        wanted = image if image.variant else image[:2]
        return any(wanted in (each, each[:2]) for each in self.alternatives())

    def alternatives(self) -> Iterator[Platform]:
        """Give what this machine executes, the best first."""
        lowest = _LOWEST.get(self.architecture)
        level = self.variant or _PLAIN.get(self.architecture, "")
        if lowest is None or level not in _VARIANTS:
            yield self
            return
        for number in range(int(level[1:]), lowest - 1, -1):
            yield _normalize(self.os, self.architecture, f"v{number}")
        if self.architecture == "arm64":
            yield from Platform(self.os, "arm", "v8").alternatives()


def read_platform(text: str) -> Platform:
    """Read ``OS/ARCHITECTURE[/VARIANT]``, or one of the first two with this host's other. Raises UsageError."""
    parts = text.lower().split("/")
    if not 1 <= len(parts) <= 3 or not all(part and _CHARACTERS.issuperset(part) for part in parts):
        raise UsageError(
            f"{text[:100]!r} is no platform, which is OS/ARCHITECTURE[/VARIANT] as linux/arm64 or linux/arm/v7"
        )
    if len(parts) == 1:
        return this_host()._replace(os=parts[0]) if parts[0] in _SYSTEMS else _normalize("linux", parts[0], "")
    return _normalize(*parts, *([""] if len(parts) == 2 else []))


def of_image(system: str, architecture: str, variant: str | None) -> Platform:
    """Give the platform that an image or an index states."""
    return _normalize(system or "linux", architecture, variant or "")


def this_host() -> Platform:
    """Give this machine's platform; of amd64 without the level, which ``this_machine`` looks up."""
    return _normalize("linux", os.uname().machine, "")


def this_machine() -> Platform:
    """Give this machine's platform with all that it can do."""
    host = this_host()
    if host.architecture != "amd64":
        return host
    known, level = _flags(), 1
    while level <= len(_LEVELS) and known.issuperset(_LEVELS[level - 1].split()):
        level += 1
    return _normalize(host.os, host.architecture, f"v{level}")


def _flags() -> set[str]:
    """List what the first processor knows."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("flags"):
                return set(line.partition(":")[2].split())
    return set()


def check(image: Platform, wanted: Platform | None, name: str) -> None:
    """Raise Fault if an image is not what was asked for or, as nothing was, not for this machine."""
    if wanted is None and not this_host().runs(image) and not this_machine().runs(image):
        raise Fault(
            f"{name} is for {image}, and this host is {this_host()}: take another, or say --platform {image} if an"
            " emulator is installed here"
        )
    if wanted is not None and not wanted.runs(image):
        raise Fault(f"{name} is for {image}, and not for {wanted} as was asked for")


def _normalize(system: str, architecture: str, variant: str) -> Platform:
    architecture, implied = _ALIASES.get(architecture, (architecture, ""))
    variant = variant or implied
    return Platform(system, architecture, "" if variant == _PLAIN.get(architecture) else variant)
