"""The rules by which a layer's archive becomes a tree (image-spec, layer.md), however the tree is kept.

An archive is hostile until it is read to its end. What it may do, and what is refused, is decided here and nowhere
else; a ``Target`` only keeps what it is told, and its directories.
"""

import stat
from typing import Final, NamedTuple, Protocol

from runtime.errors import LayerInvalid
from runtime.stream import LayerStream
from runtime.tar import HARD_LINK, Entry, entries
from runtime.tree import show, split

#: Above any honest layer: of the archive in bytes, of its entries with the directories they imply, and of what is kept
#: in memory of these (names, targets of links, attributes) in bytes.
SIZE_LIMIT: Final = 256 * 1024**3
ENTRY_LIMIT: Final = 1_000_000
TEXT_LIMIT: Final = 256 * 1024**2
#: Of the attributes of one entry, names and values together, in bytes.
_ATTRIBUTES_LIMIT: Final = 64 * 1024

_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"
#: Other names that begin so are notes that AUFS left for itself.
_AUFS: Final = b".wh..wh."

IMPLIED: Final = Entry(b"", stat.S_IFDIR, 0o755, 0, 0, 0, 0, b"", 0, {})
"""A directory that is there because something is in it."""


class Budget:
    """What a layer may still use of this host."""

    def __init__(self) -> None:
        self._entries = 0
        self._text = 0

    def spend(self, text: int) -> None:
        """Count an entry, and what is kept in memory of it. Raises LayerInvalid."""
        self._entries += 1
        self._text += text
        if self._entries > ENTRY_LIMIT:
            raise LayerInvalid(f"the layer has more than {ENTRY_LIMIT} entries")
        if self._text > TEXT_LIMIT:
            raise LayerInvalid(f"the names, links and attributes of the layer are longer than {TEXT_LIMIT} bytes")


class Target(Protocol):
    """A tree that is being made. Entries are added to the directory that was entered last."""

    def enter(self, path: tuple[bytes, ...]) -> None:
        """Go to a directory, following symbolic links within the tree; make it and those above where they are missing.

        A whiteout in the way becomes a directory that hides what is below. Raises LayerInvalid for anything else.
        """

    def dress_root(self, entry: Entry) -> None:
        """Set the attributes of the root."""

    def hide_all(self) -> None:
        """Hide what lower layers have in this directory."""

    def hide(self, name: bytes) -> None:
        """Hide what lower layers have at a name, but not what this one has there."""

    def remove(self, name: bytes) -> None:
        """Remove what this layer has at a name, with all below it."""

    def add_directory(self, name: bytes, entry: Entry) -> None:
        """Make a directory, or dress the one that is there anew. Of a whiteout it becomes one that hides."""

    def add_file(self, name: bytes, entry: Entry, stream: LayerStream) -> None:
        """Add a file whose content comes next in the stream."""

    def add_other(self, name: bytes, entry: Entry) -> None:
        """Add a symbolic link, device or pipe."""

    def add_hard_link(self, name: bytes, target: tuple[bytes, ...]) -> bool:
        """Give a file or the like a second name here; false if there is none. It leaves the directory."""

    def finish(self) -> None:
        """Do what can be done last only."""


class Read(NamedTuple):
    """What a layer turned out to be."""

    digest: str
    """Of the layer as it came, as all digests of the form ``sha256:HEX``."""
    diff_id: str
    size: int
    """Of the archive, in bytes."""
    content: int
    """Of its files together, in bytes."""


def read_into(target: Target, stream: LayerStream, budget: Budget) -> Read:
    """Read a layer to its end. Raises LayerInvalid; what is in the target by then is of no use."""
    content = 0
    for entry in entries(stream):
        path = split(entry.name)
        content += entry.size if entry.kind == stat.S_IFREG else 0
        if path:
            budget.spend(len(path[-1]) + len(entry.link) + (_measure(entry) if entry.xattrs else 0))
            target.enter(path[:-1])
            _add(target, path[-1], entry, stream)
        elif entry.kind == stat.S_IFDIR:
            target.dress_root(entry)
        else:
            raise LayerInvalid("the root of the layer is no directory")
    stream.drain()
    target.finish()
    digest, diff_id = (f"sha256:{running.hexdigest()}" for running in (stream.compressed, stream.archive))
    return Read(digest, diff_id, stream.archive_size, content)


def _measure(entry: Entry) -> int:
    size = sum(len(key) + len(value) for key, value in entry.xattrs.items())
    if size > _ATTRIBUTES_LIMIT:
        raise LayerInvalid(f"the entry {show(entry.name)} of the layer has {size} bytes of attributes: too many")
    return size


def _add(target: Target, name: bytes, entry: Entry, stream: LayerStream) -> None:
    if name.startswith(_WHITEOUT):
        _add_whiteout(target, name)
        stream.skip(entry.size)
    elif entry.kind == stat.S_IFDIR:
        target.add_directory(name, entry)
    else:
        target.remove(name)
        if entry.kind == stat.S_IFREG:
            target.add_file(name, entry, stream)
        elif entry.kind == HARD_LINK:
            _add_hard_link(target, name, entry)
        else:
            if entry.kind == stat.S_IFLNK and (not entry.link or b"\0" in entry.link or len(entry.link) > 4095):
                raise LayerInvalid(f"the symbolic link {show(entry.name)} of the layer leads to no possible name")
            target.add_other(name, entry)


def _add_whiteout(target: Target, name: bytes) -> None:
    hidden = name.removeprefix(_WHITEOUT)
    if name == _OPAQUE:
        target.hide_all()
    elif not name.startswith(_AUFS):
        if hidden in (b"", b".", b".."):
            raise LayerInvalid(f"the layer's whiteout {show(name)} hides no file")
        # A whiteout is for the layers below, so what this layer has at the name stays.
        target.hide(hidden)


def _add_hard_link(target: Target, name: bytes, entry: Entry) -> None:
    path = split(entry.link)
    if not path:
        raise LayerInvalid(f"the hard link {show(entry.name)} of the layer leads to the root")
    if not target.add_hard_link(name, path):
        raise LayerInvalid(
            f"the hard link {show(entry.name)} of the layer leads to {show(entry.link)}, which is no file of it"
        )
