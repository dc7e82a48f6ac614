"""``preg inspect``: tell all about containers, images, networks and volumes."""

from __future__ import annotations

from runtime import config
from runtime.cli.inspect_container import describe_container, describe_sizes
from runtime.cli.options import Option, Usage
from runtime.cli.table import DOCUMENT_FORMAT, print_found
from runtime.cli.targets import here
from runtime.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from runtime.containers import Containers

_TYPES: Final = ("container", "image", "network", "volume")
USAGE: Final = Usage(
    "inspect [OPTION...] CONTAINER|IMAGE|NETWORK|VOLUME...",
    "Tell all about containers, images, networks and volumes, as JSON with Docker's names. Of those with one name the"
    " first is told of, in this order.",
    (
        DOCUMENT_FORMAT,
        Option("--size", "Tell of containers what their files take as well", short="-s"),
        Option("--type", "Look among these only: container, image, network, volume", "TYPE", "", _TYPES),
    ),
    notes="""
Examples:
  preg inspect web
  preg inspect -f '{{.State.Status}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web
  preg inspect --type image -f '{{.Id}} {{.Architecture}}' localhost:5000/team/app:1
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    kind, sizes = options.last("--type"), "--size" in options
    if kind not in (None, *_TYPES):
        raise UsageError(f"--type is {', '.join(_TYPES)}, not {kind!r}")
    containers, kinds = here(), (kind,) if kind else _TYPES
    return print_found(
        lambda word: _find(containers, word, kinds, sizes=sizes), options.operands, options.last("--format")
    )


def _find(containers: Containers, word: str, kinds: Sequence[str], *, sizes: bool) -> dict[str, Any]:
    """Find what is called so, of the first kind that has it, and tell all about it. Raises Fault."""
    for kind in kinds:
        try:
            found = _KINDS[kind](containers, word)
        except (NotFound, UsageError):
            if len(kinds) == 1:
                raise
            continue
        return found | describe_sizes(containers.get(found["Id"])) if sizes and kind == "container" else found
    raise NotFound(f"there is no container, image, network or volume {word!r}")


def _container(containers: Containers, word: str) -> dict[str, Any]:
    return describe_container(containers, containers.find(word))


# Whoever asks for a container does not wait for what reads the others.


def _image(_: Containers, word: str) -> dict[str, Any]:
    from runtime.cli.inspect_image import describe_image  # noqa: PLC0415
    from runtime.cli.naming import get_record  # noqa: PLC0415
    from runtime.images import Images  # noqa: PLC0415

    images = Images(config.load().home)
    return describe_image(images, get_record(images, word))


def _network(containers: Containers, word: str) -> dict[str, Any]:
    from runtime.cli.network_inspect import describe_network  # noqa: PLC0415
    from runtime.cli.targets import networks  # noqa: PLC0415

    return describe_network(containers, networks(), word)


def _volume(_: Containers, word: str) -> dict[str, Any]:
    from runtime.cli.volume_inspect import describe_volume  # noqa: PLC0415
    from runtime.volumes import Volumes  # noqa: PLC0415

    return describe_volume(Volumes(config.load().home), word)


_KINDS: Final[dict[str, Callable[[Containers, str], dict[str, Any]]]] = {
    "container": _container,
    "image": _image,
    "network": _network,
    "volume": _volume,
}
