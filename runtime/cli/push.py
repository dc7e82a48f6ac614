"""``preg push``: send an image to a registry."""

import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from runtime import config
from runtime.cli.naming import check_platforms, find_record, get_record, read_reference
from runtime.cli.options import Option, Options, Usage
from runtime.cli.progress import progress
from runtime.cli.registries import ACCESS_OPTIONS, open_registries, resolve, send_to
from runtime.cli.shared_options import CONTENT_TRUST, ITS_PLATFORM, refuse_content_trust
from runtime.errors import Fault, UsageError
from runtime.images import Images, Record
from runtime.pack import pack
from runtime.push import StoredImage
from runtime.registries import Registries
from runtime.workspace import open_workspace
from storage.copy import copy
from storage.oci.reference import Reference

if TYPE_CHECKING:
    from storage.oci.manifest import Manifest
    from storage.remote.client import RemoteNamespace

USAGE: Final = Usage(
    "push [OPTION...] IMAGE [TARGET]",
    "Send an image of this host to a registry, byte for byte as it was pulled. Layers that were loaded without\n"
    "compression are compressed first.\n"
    "It goes to where its name says, or to TARGET, another name such as registry.example/team/app:1.",
    (
        Option("--all-tags", "Send every tag that the repository has here", short="-a"),
        ITS_PLATFORM,
        Option("--quiet", "Print names alone", short="-q"),
        CONTENT_TRUST,
        *ACCESS_OPTIONS,
    ),
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
    refuse_content_trust(options)
    here = config.load()
    images = Images(here.home)
    word, registries = options.operands[0], open_registries(here, options)
    record = find_record(images, word)
    # A short name stands for what it would be fetched by, if nothing here is called so.
    reference = read_reference(word) if record is not None else resolve(here, word)
    sending = _Sending(here, registries, images, options)
    if "--all-tags" in options:
        if len(options.operands) > 1 or ":" in word.rpartition("/")[2] or "@" in word:
            raise UsageError(
                "--all-tags sends every tag to where its name says: give one name without a tag, and no TARGET"
            )
        return _push_all(sending, reference)
    if len(options.operands) > 1:
        target = resolve(here, options.operands[1])
    elif record is not None and not record.reference:
        raise UsageError(f"{word} is an ID, which does not say where to: preg push {word} REGISTRY/NAME:TAG")
    else:
        target = reference
    if target.tag is None or target.digest is not None:
        raise UsageError(f"{target} is pushed by a tag alone: name it as {target.registry}/{target.name}:TAG")
    _push(sending, record or images.find(reference) or get_record(images, word), target)
    return 0


class _Sending(NamedTuple):
    """From where to where images are sent, and how."""

    here: config.Config
    registries: Registries
    images: Images
    options: Options


def _push_all(sending: _Sending, reference: Reference) -> int:
    names = [(Reference.parse(record.reference), record) for record in sending.images.names()]
    chosen = [(name, record) for name, record in names if name.tag and name[:2] == reference[:2]]
    if not chosen:
        raise Fault(
            f"no image on this host has a tag of {reference.familiar_name}; 'preg images' lists those there are"
        )
    for name, record in chosen:
        _push(sending, record, name)
    return 0


def _push(sending: _Sending, record: Record, target: Reference) -> None:
    """Send an image to where ``target`` says, which has a tag, and say so."""
    images, quiet = sending.images, "--quiet" in sending.options
    check_platforms(images, record, record.reference or record.image, sending.options.all("--platform"))
    image = pack(images, images.open(record))
    source_name = Reference.parse(image.record.reference) if image.record.reference else target
    source, tags = StoredImage(images, image, source_name.name), [target.tag] if target.tag else []
    # The image's own repository may hold the layers already, if it is in the same registry.
    near = source_name.registry == target.registry and source_name.name != target.name
    with progress("push") as show, open_workspace(images) as workspace:
        workspace.pin(image.digests)

        async def work(namespace: "RemoteNamespace") -> "Manifest":
            repository = namespace.repository(target.name, writes=True)
            report = (lambda _: None) if quiet else show
            return await copy(source, repository, image.manifest.digest, tags, same_registry=near, report=report)

        manifest = send_to(sending.here, sending.registries, target, work)
    images.note("push", str(target), str(target))
    sys.stdout.write(f"{target}\n" if quiet else f"{target} is {manifest.digest}\n")
