"""``preg pull``: fetch an image from a registry."""

import sys
from typing import TYPE_CHECKING, Final

from runtime import config
from runtime.cli.options import Option, Usage
from runtime.cli.progress import progress
from runtime.cli.registries import ACCESS_OPTIONS, fetch_from, open_registries, resolve
from runtime.cli.shared_options import CONTENT_TRUST, PLATFORM, refuse_content_trust
from runtime.errors import UsageError
from runtime.images import Images
from runtime.platforms import read_platform
from runtime.pull import pull
from runtime.rootless import enter
from runtime.workshop import close_unused, open_ahead

if TYPE_CHECKING:
    from runtime.platforms import Platform
    from runtime.registries import Registries
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Reference, Tag
    from storage.remote.client import RemoteNamespace

USAGE: Final = Usage(
    "pull [OPTION...] IMAGE",
    "Fetch an image from a registry. What is already on this host is not fetched again.",
    (
        PLATFORM,
        Option("--all-tags", "Fetch every tag of the repository", short="-a"),
        Option("--quiet", "Print names alone", short="-q"),
        CONTENT_TRUST,
        *ACCESS_OPTIONS,
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
    refuse_content_trust(options)
    here, word, quiet = config.load(), options.operands[0], "--quiet" in options
    reference, platform = resolve(here, word), options.last("--platform")
    wanted, registries = read_platform(platform) if platform else None, open_registries(here, options)
    if "--all-tags" not in options:
        _say(reference, fetch(here, registries, reference, wanted, quiet=quiet), quiet=quiet)
        return 0
    if word.rpartition("/")[2].find(":") >= 0 or reference.digest is not None:
        raise UsageError("--all-tags fetches every tag, so the name must have none")
    for tag in fetch_from(here, registries, reference, _list_tags):
        tagged = reference._replace(tag=tag)
        _say(tagged, fetch(here, registries, tagged, wanted, quiet=quiet), quiet=quiet)
    return 0


def fetch(
    here: config.Config,
    registries: "Registries",
    reference: "Reference",
    wanted: "Platform | None",
    *,
    quiet: bool = False,
) -> "Manifest":
    """Fetch an image with progress on stderr. Raises Fault."""
    enter()
    open_ahead()
    try:
        with progress("pull") as show:

            async def work(namespace: "RemoteNamespace", there: "Reference") -> "Manifest":
                report = (lambda _: None) if quiet else show
                return await pull(Images(here.home), namespace.repository(there.name), reference, report, wanted)

            manifest = fetch_from(here, registries, reference, work)
    finally:
        close_unused()
    Images(here.home).note("pull", str(reference), str(reference))
    return manifest


def _say(reference: "Reference", manifest: "Manifest", *, quiet: bool) -> None:
    sys.stdout.write(f"{reference}\n" if quiet else f"{reference} is {manifest.digest}\n")


async def _list_tags(namespace: "RemoteNamespace", there: "Reference") -> "list[Tag]":
    return [tag async for tag in namespace.repository(there.name).tags.list()]
