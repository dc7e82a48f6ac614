"""``preg cp``: copy between this host and a container."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from runtime.cli.options import Option, Usage
from runtime.cli.sizes import show_size
from runtime.cli.targets import here
from runtime.containers import Containers
from runtime.copying import copy, opened_source, opened_target, read_archive, write_archive
from runtime.errors import UsageError
from runtime.roots import opened_root

USAGE: Final = Usage(
    "cp [OPTION...] CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH",
    "Copy between this host and a container, whether it runs or not; - is a tar archive on standard input or output.",
    (
        Option("--archive", "Keep owners on the way out too, where files are yours else", short="-a"),
        Option("--follow-link", "Copy what a link leads to", short="-L"),
        Option("--quiet", "Do not say how much was copied", short="-q"),
    ),
    notes="""
A directory that is there gets what is copied below it, by its own name; DIR/. is what is in a directory. Anything else
that is there is replaced.

Examples:
  preg cp web:/var/log/app ./logs
  preg cp site/. web:/srv
  preg cp web:/etc - | tar -t
""",
    operands=(2, 2),
)


class Side(NamedTuple):
    """One of the two: a path of a container or, without one, of this host."""

    container: str
    path: str

    @property
    def is_stream(self) -> bool:
        return not self.container and self.path == "-"

    @property
    def whole(self) -> bytes:
        """The path from the root, cleaned by its text as Docker does, but for the slash or dot at its end."""
        path = self.path if self.container else os.path.join(os.getcwd(), self.path)
        clean = os.path.normpath(f"/{path.lstrip('/')}").rstrip("/")
        end = "/." if path.endswith("/.") or self.path == "." or not clean else "/" if path.endswith("/") else ""
        return os.fsencode(clean + end)


def main(arguments: list[str]) -> int:
    """Run the command."""
    options = USAGE.parse(arguments)
    source, target = map(read_side, options.operands)
    if bool(source.container) == bool(target.container):
        raise UsageError("one of the two must be of a container, as CONTAINER:PATH, and the other of this host")
    links = "--follow-link" in options
    if source.container:
        size = _copy_out(here(), source, target, links=links, owners="--archive" in options)
    else:
        size = _copy_in(here(), source, target, links=links)
    if size is not None and "--quiet" not in options:
        sys.stderr.write(f"Successfully copied {show_size(size)} to {options.operands[1]}\n")
    return 0


def read_side(text: str) -> Side:
    """Tell a path of this host, which has no colon or begins with a slash or a dot, from a container's."""
    name, colon, path = text.partition(":")
    if not text or "\0" in text:
        raise UsageError("a path cannot be empty, or hold a zero byte")
    if not colon or text.startswith(("/", ".")) or not name:
        return Side("", text)
    return Side(name, path)


def _copy_out(containers: Containers, source: Side, target: Side, *, links: bool, owners: bool) -> int | None:
    with (
        opened_root(containers, containers.find(source.container)) as root,
        opened_source(root, source.whole, links=links) as found,
    ):
        if target.is_stream:
            write_archive(found, sys.stdout.buffer)
            return None
        with _host() as ours, opened_target(ours, target.whole) as place:
            return copy(found, place, owners=owners)


def _copy_in(containers: Containers, source: Side, target: Side, *, links: bool) -> int | None:
    with opened_root(containers, containers.find(target.container)) as root:
        if source.is_stream:
            read_archive(sys.stdin.buffer, root, target.whole)
            return None
        with (
            _host() as ours,
            opened_source(ours, source.whole, links=links) as found,
            opened_target(root, target.whole) as place,
        ):
            return copy(found, place, owners=True)


@contextmanager
def _host() -> Iterator[int]:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    try:
        yield root
    finally:
        os.close(root)
