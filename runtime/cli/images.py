"""``preg images``: list the images on this host."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from runtime import config
from runtime.cli.image_filters import Listed, list_images, matches, read_filters, show_age
from runtime.cli.options import Option, Usage
from runtime.cli.sizes import show_size
from runtime.cli.table import FORMAT, print_records
from runtime.cli.times import show_listed_time
from runtime.images import Images

if TYPE_CHECKING:
    from runtime.errors import Fault

_FIELDS: Final = (
    *("Repository", "Tag", "Digest", "ID", "CreatedSince", "CreatedAt", "Size"),
    *("Containers", "SharedSize", "UniqueSize", "VirtualSize"),
)
_COLUMNS: Final = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
}
_FILTERS: Final = ("reference", "dangling", "label", "before", "since", "until")
_NONE: Final = "<none>"
USAGE: Final = Usage(
    "images [OPTION...] [REPOSITORY[:TAG]]",
    "List the images on this host, the newest first. REPOSITORY may be a pattern, as 'localhost:5000/team/*'.",
    (
        Option("--all", "As without: preg keeps no images that are part of others", short="-a"),
        Option("--quiet", "Print IDs alone", short="-q"),
        Option("--digests", "Show the digests by which registries know them"),
        Option("--no-trunc", "Print whole IDs"),
        Option("--filter", f"List those that have {', '.join(_FILTERS)} so", "KEY=VALUE", "-f", _FILTERS),
        FORMAT._replace(choices=_FIELDS),
    ),
    notes=f"""
Fields: {", ".join(_FIELDS)}.

Examples:
  preg images --filter dangling=true -q
  preg images --format '{{{{.Repository}}}}:{{{{.Tag}}}} {{{{.Size}}}}' 'localhost:5000/team/*'
""",
    operands=(0, 1),
)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    images, pattern = Images(config.load().home), options.operands[0] if options.operands else ""
    wanted = [*options.all("--filter"), *(["reference=" + pattern] if pattern else [])]
    is_asked_for = read_filters(wanted, _FILTERS, images)
    patterns = [text.removeprefix("reference=") for text in wanted if text.startswith("reference=")]
    wide, digests, form = "--no-trunc" in options, "--digests" in options, options.last("--format")
    faults: list[Fault] = []
    with images.using():
        chosen = [each for each in list_images(images, faults.append) if is_asked_for(each)]
    shown = digests or "Digest" in (form or "")
    records = [row for each in chosen for row in _rows(images, _only(each, patterns), wide=wide, digests=shown)]
    if "--quiet" in options:
        sys.stdout.writelines(f"{record['ID']}\n" for record in records)
    else:
        columns = {name: head for name, head in _COLUMNS.items() if digests or name != "Digest"}
        print_records(records, _FIELDS, columns, form)
    sys.stderr.writelines(f"preg: {fault}\n" for fault in faults)
    return 1 if faults else 0


def _only(listed: Listed, patterns: list[str]) -> Listed:
    """Leave out the names that were not asked for."""
    if not patterns:
        return listed
    kept = (name for name in listed.names if any(matches(name, pattern) for pattern in patterns))
    return listed._replace(names=tuple(kept))


def _rows(images: Images, listed: Listed, *, wide: bool, digests: bool) -> Iterator[dict[str, str]]:
    """Give a row for each tag; for what is known by digest only, one for each repository, or each digest."""
    size = sum(map(images.layers.size, listed.image.config.rootfs.diff_ids))
    fixed = {
        "ID": listed.image.id if wide else listed.image.id.hex[:12],
        "CreatedSince": show_age(listed.created),
        "CreatedAt": show_listed_time(listed.created),
        "Size": show_size(size),
        # What docker does not find out for a list either; 'system df -v' does.
        **dict.fromkeys(("Containers", "SharedSize", "UniqueSize"), "N/A"),
        "VirtualSize": show_size(size, digits=4),
    }
    _, known = _group(listed)
    for repository, tag in show_names(listed):
        for digest in (known[repository] if digests else []) or [_NONE]:
            yield {"Repository": repository, "Tag": tag, "Digest": digest, **fixed}


def show_names(listed: Listed) -> list[tuple[str, str]]:
    """Give the rows' repositories and tags."""
    tags, known = _group(listed)
    return [(name, tag) for name in sorted({*tags, *known}) or [_NONE] for tag in tags[name] or [_NONE]]


def _group(listed: Listed) -> tuple[defaultdict[str, list[str]], defaultdict[str, list[str]]]:
    """Group tags and digests by their repositories."""
    tags, known = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for name in listed.names:
        if name.tag is not None:
            tags[name.familiar_name].append(name.tag)
        if name.digest is not None:
            known[name.familiar_name].append(name.digest)
    return tags, known
