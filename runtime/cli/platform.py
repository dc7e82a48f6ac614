"""What ``preg pull``, ``run`` and ``create`` take that concerns where an image comes from and what it is for."""

from typing import TYPE_CHECKING, Final, NamedTuple

from runtime.cli.options import Option, Options
from runtime.platforms import Platform, read_platform

if TYPE_CHECKING:
    from typing import Self

PLATFORM: Final = Option("--platform", "Take the image for OS/ARCHITECTURE[/VARIANT] (default: this host)", "PLATFORM")


class Wish(NamedTuple):
    """How an image is fetched."""

    platform: Platform | None = None
    plain_http: bool = False

    @classmethod
    def read(cls, options: Options) -> "Self":
        """Read the options. Raises UsageError."""
        platform = options.last("--platform")
        return cls(read_platform(platform) if platform else None, "--plain-http" in options)
