"""``preg push``: send an image to a registry."""

import sys
from typing import TYPE_CHECKING, Final

from runtime import config
from runtime.cli.naming import find_record, get_record, read_reference
from runtime.cli.options import Usage
from runtime.cli.progress import progress
from runtime.cli.registries import PLAIN_HTTP, resolve, with_registry
from runtime.errors import UsageError
from runtime.images import Images
from runtime.pack import pack
from runtime.push import StoredImage
from storage.copy import copy

if TYPE_CHECKING:
    from storage.oci.manifest import Manifest
    from storage.remote.client import RemoteNamespace

USAGE: Final = Usage(
    "push [OPTION...] IMAGE [TARGET]",
    "Send an image of this host to a registry, byte for byte as it was pulled. Layers that were loaded without\n"
    "compression are compressed first.\n"
    "It goes to where its name says, or to TARGET, another name such as registry.example/team/app:1.",
    (PLAIN_HTTP,),
    notes="""
Examples:
  preg push localhost:5000/team/app:1
  preg push localhost:5000/team/app:1 registry.example/team/app:1
""",
    operands=(1, 2),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    here = config.load()
    images = Images(here.home)
    found = find_record(images, options.operands[0])
    # A short name stands for what it would be fetched by, if nothing here is called so.
    reference = read_reference(options.operands[0]) if found else resolve(here, options.operands[0])
    target = resolve(here, options.operands[1]) if len(options.operands) > 1 else reference
    if target.tag is None:
        raise UsageError(f"{target} is pushed by a tag: name it as {target.registry}/{target.name}:TAG")
    tag = target.tag
    image = pack(images, images.open(found or images.find(reference) or get_record(images, options.operands[0])))
    source = StoredImage(images, image, reference.name)

    with progress("push") as show:

        async def work(namespace: "RemoteNamespace") -> "Manifest":
            repository = namespace.repository(target.name)
            # The image's own repository may hold the layers already, if it is in the same registry.
            near = reference.registry == target.registry and reference.name != target.name
            return await copy(source, repository, image.manifest.digest, [tag], same_registry=near, report=show)

        manifest = with_registry(here, target, work, plain_http="--plain-http" in options)
    sys.stdout.write(f"{target} is {manifest.digest}\n")
    return 0
