"""``preg pull``: fetch an image from a registry."""

import sys
from typing import TYPE_CHECKING, Final

from runtime import config
from runtime.cli.naming import read_reference
from runtime.cli.options import Option, Usage
from runtime.cli.progress import progress
from runtime.cli.registries import PLAIN_HTTP, with_registry
from runtime.images import Images
from runtime.pull import pull

if TYPE_CHECKING:
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Reference
    from storage.remote.client import RemoteNamespace

USAGE: Final = Usage(
    "pull [OPTION...] IMAGE",
    "Fetch an image from a registry. What is already on this host is not fetched again.",
    (PLAIN_HTTP, Option("--quiet", "Print the digest alone", short="-q")),
    notes="""
Examples:
  preg pull localhost:5000/team/app:1
  preg pull alpine
""",
    operands=(1, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    reference = read_reference(options.operands[0])
    here = config.load()
    manifest = fetch(here, reference, plain_http="--plain-http" in options, quiet="--quiet" in options)
    sys.stdout.write(f"{manifest.digest}\n" if "--quiet" in options else f"{reference} is {manifest.digest}\n")
    return 0


def fetch(here: config.Config, reference: "Reference", *, plain_http: bool, quiet: bool = False) -> "Manifest":
    """Fetch an image with progress on stderr. Raises Fault."""
    with progress("pull") as show:

        async def work(namespace: "RemoteNamespace") -> "Manifest":
            report = (lambda _: None) if quiet else show
            return await pull(Images(here.home), namespace.repository(reference.name), reference, report)

        return with_registry(here, reference, work, plain_http=plain_http)
