"""``preg pull``: fetch an image from a registry."""

import sys
from typing import TYPE_CHECKING, Any, Final

from runtime import config
from runtime.cli.naming import read_reference
from runtime.cli.options import Option, Usage
from runtime.cli.platform import PLATFORM, Wish
from runtime.cli.progress import progress
from runtime.cli.registries import PLAIN_HTTP, with_registry
from runtime.errors import UsageError
from runtime.images import Images
from runtime.pull import pull

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from storage.oci.manifest import Manifest
    from storage.oci.reference import Reference, Tag
    from storage.remote.client import RemoteNamespace

USAGE: Final = Usage(
    "pull [OPTION...] IMAGE",
    "Fetch an image from a registry. What is already on this host is not fetched again.",
    (
        PLATFORM,
        Option("--all-tags", "Fetch every tag of the repository", short="-a"),
        Option("--quiet", "Print digests alone", short="-q"),
        PLAIN_HTTP,
    ),
    notes="""
Examples:
  preg pull localhost:5000/team/app:1
  preg pull --platform linux/arm/v7 localhost:5000/team/app:1
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    here, word, quiet = config.load(), options.operands[0], "--quiet" in options
    reference, wish = read_reference(word), Wish.read(options)
    if "--all-tags" not in options:
        _say(reference, fetch(here, reference, wish, quiet=quiet), quiet=quiet)
        return 0
    if word.rpartition("/")[2].find(":") >= 0 or reference.digest is not None:
        raise UsageError("--all-tags fetches every tag, so the name must have none")
    for tag in with_registry(here, reference, _list_tags(reference), plain_http=wish.plain_http):
        tagged = reference._replace(tag=tag)
        _say(tagged, fetch(here, tagged, wish, quiet=quiet), quiet=quiet)
    return 0


def fetch(here: config.Config, reference: "Reference", wish: Wish, *, quiet: bool = False) -> "Manifest":
    """Fetch an image with progress on stderr. Raises Fault."""
    with progress("pull") as show:

        async def work(namespace: "RemoteNamespace") -> "Manifest":
            report = (lambda _: None) if quiet else show
            return await pull(Images(here.home), namespace.repository(reference.name), reference, report, wish.platform)

        return with_registry(here, reference, work, plain_http=wish.plain_http)


def _say(reference: "Reference", manifest: "Manifest", *, quiet: bool) -> None:
    sys.stdout.write(f"{manifest.digest}\n" if quiet else f"{reference} is {manifest.digest}\n")


def _list_tags(reference: "Reference") -> "Callable[[RemoteNamespace], Coroutine[Any, Any, list[Tag]]]":
    async def work(namespace: "RemoteNamespace") -> "list[Tag]":
        return [tag async for tag in namespace.repository(reference.name).tags.list()]

    return work
