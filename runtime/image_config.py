"""What an image says of itself: what it is for, how it wants to be run, and which layers it has."""

from runtime.errors import Fault
from runtime.lean import NamedTuple, from_json
from runtime.platforms import of_image
from runtime.record import read
from storage.oci.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, TypeVar

    from runtime.platforms import Platform

    #: A record.
    R = TypeVar("R", bound=tuple[Any, ...])

#: A configuration lists a line of history for each layer; a larger one is no image's.
CONFIG_LIMIT: "Final" = 8 * 1024 * 1024


def _pascal(field: str) -> str:
    """Give the name of a field in Docker's part of a configuration, as ``WorkingDir``."""
    return "".join(map(str.capitalize, field.split("_")))


class HealthTest(NamedTuple):
    """How an image wants to be checked (docker's extension of the image-spec). Times are in nanoseconds."""

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    @staticmethod
    def json_name(field: str) -> str:
        """Give the name of a field in a configuration."""
        return _pascal(field)


class Process(NamedTuple):
    """How an image wants to be run (image-spec, config.md); Docker writes null for what is empty."""

    user: str = ""
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    working_dir: str = ""
    exposed_ports: dict[str, object] | None = None
    stop_signal: str = ""
    labels: dict[str, str] | None = None
    volumes: dict[str, object] | None = None
    healthcheck: HealthTest | None = None

    @staticmethod
    def json_name(field: str) -> str:
        """Give the name of a field in a configuration."""
        return _pascal(field)


class RootFs(NamedTuple):
    """The layers of an image, lowest first, by the digests of their archives."""

    diff_ids: tuple[Digest, ...] = ()


class ImageConfig(NamedTuple):
    """An image's configuration (image-spec, config.md)."""

    architecture: str = ""
    os: str = ""
    variant: str | None = None
    created: str | None = None
    config: Process | None = None
    rootfs: RootFs = RootFs()

    @property
    def platform(self) -> "Platform":
        """What the image is for."""
        return of_image(self.os, self.architecture, self.variant)

    @classmethod
    def parse(cls, raw: bytes, name: str) -> "ImageConfig":
        """Read a configuration. Raises Fault if it is not one; ``name`` says of what."""
        return parse(cls, raw, name)


def parse(kind: "type[R]", raw: bytes, name: str) -> "R":
    """Read a part of a configuration. Raises Fault if it is not one; ``name`` says of what."""
    try:
        return read(kind, from_json(raw))
    except (ValueError, RecursionError) as error:
        raise Fault(f"the configuration of {name} cannot be read: {error}") from error
