"""``preg inspect``: tell all about containers and images."""

from typing import Any, Final

from runtime import config
from runtime.cli.inspect_container import describe_container
from runtime.cli.options import Option, Usage
from runtime.cli.table import print_found
from runtime.cli.targets import here
from runtime.containers import Containers
from runtime.errors import NotFound, UsageError

_KINDS: Final = ("container", "image")
USAGE: Final = Usage(
    "inspect [OPTION...] CONTAINER|IMAGE...",
    "Tell all about containers and images, as JSON with Docker's names. A name that both have is the container's.",
    (
        Option("--format", "json, or the fields to print with tabs between, as Name,State.Status", "FORMAT", "-f"),
        Option("--type", "Look among these only: container, image", "TYPE"),
    ),
    notes="""
Examples:
  preg inspect web
  preg inspect -f Name,State.Status web
  preg inspect --type image -f Id,Architecture localhost:5000/team/app:1
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    form, kind = options.last("--format"), options.last("--type")
    if kind not in (None, *_KINDS):
        raise UsageError(f"--type is {' or '.join(_KINDS)}, not {kind!r}")
    containers = here()
    return print_found(lambda word: _describe(containers, word, kind), options.operands, form)


def _describe(containers: Containers, word: str, kind: str | None) -> dict[str, Any]:
    """Find a container or an image, and tell all about it. Raises Fault."""
    if kind != "image":
        try:
            return describe_container(containers, containers.find(word))
        except NotFound:
            if kind == "container":
                raise
    # Whoever asks for a container does not wait for what reads images.
    from runtime.cli.inspect_image import describe_image  # noqa: PLC0415
    from runtime.cli.naming import find_record, get_record  # noqa: PLC0415
    from runtime.images import Images  # noqa: PLC0415

    images = Images(config.load().home)
    record = get_record(images, word) if kind == "image" else find_record(images, word)
    if record is None:
        raise NotFound(f"there is no container and no image {word!r}: see 'preg ps -a' and 'preg images'")
    return describe_image(images, record)
