"""``preg save``: write images to a file."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runtime import config
from runtime.cli.naming import check_platforms, get_record, read_reference
from runtime.cli.options import Option, Usage
from runtime.cli.shared_options import ITS_PLATFORM
from runtime.errors import Fault, UsageError
from runtime.images import Images, Record
from runtime.save import Folder, Saving, save, save_archive
from runtime.workspace import open_workspace
from storage.oci.reference import Reference

if TYPE_CHECKING:
    from storage.oci.digest import Digest

_FORMATS: Final = ("docker-archive", "oci-archive", "oci-dir")
USAGE: Final = Usage(
    "save [OPTION...] IMAGE...",
    "Write images with all their layers to an archive that 'preg load', docker, podman and skopeo read.\n"
    "A name without a tag stands for all tags of the repository.",
    (
        Option("--output", "Write to this file, or directory (default: standard output)", "PATH", "-o"),
        Option("--format", f"{', '.join(_FORMATS)} (default: {_FORMATS[0]}, which is an OCI layout as well)", "FORMAT"),
        ITS_PLATFORM,
    ),
    notes="""
Examples:
  preg save -o app.tar registry.example/team/app:1
  preg save --format oci-dir -o layout app:1 app:2
  preg save app:1 | ssh elsewhere docker load
""",
    operands=(1, 10_000),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    form, output = options.last("--format") or _FORMATS[0], options.last("--output")
    if form not in _FORMATS:
        raise UsageError(f"--format is {', '.join(_FORMATS)}, not {form!r}")
    if output is None and form == "oci-dir":
        raise UsageError("--format oci-dir makes a directory: name it with --output")
    if output is None and sys.stdout.isatty():
        raise Fault("an archive is nothing for a terminal: name a file with -o, or redirect the output")
    images = Images(config.load().home)
    with open_workspace(images) as workspace:
        saving = _find(images, options.operands, options.all("--platform"))
        workspace.pin([digest for each in saving for digest in each.image.digests])
        if output is None:
            _write_tar(images, saving, sys.stdout.fileno(), form)
        elif form == "oci-dir":
            save(images, saving, Folder(Path(output)), docker=False)
        else:
            _write_file(images, saving, output, form)
    for each in saving:
        images.note("save", each.image.id, each.image.id)
    return 0


def _write_file(images: Images, saving: list[Saving], output: str, form: str) -> None:
    """Write a file that is whole or not there; what is no file, as /dev/null, is written to."""
    if os.path.exists(output) and not os.path.isfile(output):
        _write_tar(images, saving, os.open(output, os.O_WRONLY), form)
        return
    half = f"{output}.{os.getpid()}"
    try:
        _write_tar(images, saving, os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), form)
        os.rename(half, output)
    except BaseException:
        os.unlink(half)
        raise


def _write_tar(images: Images, saving: list[Saving], opened: int, form: str) -> None:
    with open(opened, "wb") as file:
        save_archive(images, saving, file, docker=form == "docker-archive")


def _find(images: Images, words: list[str], platforms: list[str]) -> list[Saving]:
    """Find the images, each once, with the tags that it was asked for by. Raises Fault."""
    found: dict[Digest, tuple[Record, list[Reference]]] = {}
    for word in words:
        for record in _find_tags(images, word) or [get_record(images, word)]:
            check_platforms(images, record, word, platforms)
            names = found.setdefault(record.image, (record, []))[1]
            name = Reference.parse(record.reference) if record.reference else None
            if name is not None and name.tag is not None and name not in names:
                names.append(name)
    return [Saving(images.open(record), names) for record, names in found.values()]


def _find_tags(images: Images, word: str) -> list[Record]:
    """Find every tag of a repository that is named without one."""
    if ":" in word.rpartition("/")[2] or "@" in word:
        return []
    wanted = read_reference(word)
    read = [(Reference.parse(record.reference), record) for record in images.names()]
    return [record for name, record in read if name.tag and (name.registry, name.name) == wanted[:2]]
