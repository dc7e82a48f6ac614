"""What ``preg pull``, ``run`` and ``create`` take that concerns where an image comes from and what it is for."""

from __future__ import annotations

from runtime.lean import NamedTuple
from runtime.platforms import read_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from runtime.cli.options import Options
    from runtime.platforms import Platform


class Wish(NamedTuple):
    """How an image is fetched."""

    platform: Platform | None = None
    plain_http: bool = False

    @classmethod
    def read(cls, options: Options) -> Self:
        """Read the options. Raises UsageError."""
        platform = options.last("--platform")
        return cls(read_platform(platform) if platform else None, "--plain-http" in options)
