"""A layer as an archive and an index of it: the tree of names in memory, as small as Python allows.

No name of the archive is ever used on the host, so none can lead out of the layer. The index is a file system (EROFS)
whose files' contents lie in the archive itself.
"""

import stat
from array import array
from typing import BinaryIO, Final

from runtime import erofs
from runtime.archive import IMPLIED, Budget
from runtime.attributes import dress
from runtime.errors import LayerInvalid
from runtime.stream import LayerStream
from runtime.tar import BLOCK, Entry
from runtime.tree import show

_ROOT: Final = 0
_OPAQUE: Final = b"trusted.overlay.opaque"
#: As many symbolic links as the kernel follows in one path (path_resolution(7)).
_LINKS_LIMIT: Final = 40
_WHITEOUT: Final = Entry(b"", stat.S_IFCHR, 0, 0, 0, 0, 0, b"", 0, {})


class Inodes:
    """A ``runtime.archive.Target`` in memory. Inodes are numbers; those that lost their names are not written."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._modes = array("H")
        self._records = bytearray()
        self._names: dict[int, dict[bytes, int]] = {}
        self._links: dict[int, bytes] = {}
        self._attributes: dict[int, dict[bytes, bytes]] = {}
        self._opaque: set[int] = set()
        self._path: tuple[bytes, ...] = ()
        self._here = self._add(IMPLIED)

    def write(self, archive_size: int, identity: bytes, file: BinaryIO) -> None:
        """Write the index. ``identity`` is what the file system is known by: 16 bytes."""
        for number in self._opaque:
            self._attributes.setdefault(number, {})[_OPAQUE] = b"y"
        tree = erofs.Tree(self._modes, self._records, self._names, self._links, self._attributes)
        erofs.write(tree, archive_size, identity, file)

    def enter(self, path: tuple[bytes, ...]) -> None:
        """See ``Target``."""
        if path != self._path:
            self._here = self._walk(path)
            self._path = path

    def _walk(self, path: tuple[bytes, ...]) -> int:
        at = _ROOT
        for depth, part in enumerate(path, start=1):
            names = self._names[at]
            found = names.get(part)
            if found is None or self._is_whiteout(found):
                self._budget.spend(len(part))
                below = names[part] = self._add(IMPLIED)
                if found is not None:
                    self._opaque.add(below)
            elif stat.S_ISDIR(self._modes[found]):
                below = found
            else:
                below = self._follow(path[:depth])
            at = below
        return at

    def _follow(self, path: tuple[bytes, ...]) -> int:
        """Find a directory as the kernel does, symbolic links included. Raises LayerInvalid."""
        pending, way, links = list(reversed(path)), [_ROOT], 0
        while pending:
            part = pending.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                way = way[:-1] or way
                continue
            found = self._names[way[-1]].get(part, -1)
            if found in self._names:
                way.append(found)
                continue
            target = self._links.get(found)
            links += 1
            if target is None or links > _LINKS_LIMIT:
                raise LayerInvalid(f"{show(b'/'.join(path))} has entries below it in the layer, and is no directory")
            if target.startswith(b"/"):
                way = [_ROOT]
            pending.extend(reversed(target.split(b"/")))
        return way[-1]

    def dress_root(self, entry: Entry) -> None:
        """See ``Target``."""
        self._dress(_ROOT, entry)

    def hide_all(self) -> None:
        """See ``Target``."""
        self._opaque.add(self._here)

    def hide(self, name: bytes) -> None:
        """See ``Target``."""
        names = self._names[self._here]
        found = names.get(name)
        if found is None:
            names[name] = self._add(_WHITEOUT)
        elif found in self._names:
            self._opaque.add(found)

    def remove(self, name: bytes) -> None:
        """See ``Target``."""
        self._names[self._here].pop(name, None)

    def add_directory(self, name: bytes, entry: Entry) -> None:
        """See ``Target``."""
        names = self._names[self._here]
        found = names.get(name)
        if found is not None and found in self._names:
            self._dress(found, entry)
            return
        names[name] = self._add(entry)
        if found is not None and self._is_whiteout(found):
            self._opaque.add(names[name])

    def add_file(self, name: bytes, entry: Entry, stream: LayerStream) -> None:
        """See ``Target``."""
        self._names[self._here][name] = self._add(entry, stream.position // BLOCK)
        stream.skip(entry.size)

    def add_other(self, name: bytes, entry: Entry) -> None:
        """See ``Target``."""
        made = self._names[self._here][name] = self._add(entry, entry.device)
        if entry.kind == stat.S_IFLNK:
            self._links[made] = entry.link

    def add_hard_link(self, name: bytes, target: tuple[bytes, ...]) -> bool:
        """See ``Target``."""
        here = self._here
        self.enter(target[:-1])
        found = self._names[self._here].get(target[-1])
        if found is None or found in self._names or self._is_whiteout(found):
            return False
        self._names[here][name] = found
        return True

    def finish(self) -> None:
        """See ``Target``."""

    def _add(self, entry: Entry, place: int = 0) -> int:
        number = len(self._modes)
        self._modes.append(0)
        self._records += bytes(erofs.INODE.size)
        if entry.kind == stat.S_IFDIR:
            self._names[number] = {}
        self._dress(number, entry, place)
        return number

    def _dress(self, number: int, entry: Entry, place: int = 0) -> None:
        mode, attributes = dress(entry)
        if attributes:
            self._attributes[number] = attributes
        elif self._attributes:
            self._attributes.pop(number, None)
        mode |= entry.kind
        self._modes[number] = mode
        seconds, nanoseconds = divmod(entry.mtime, 10**9)
        at, size = number * erofs.INODE.size, entry.size
        fields = (erofs.EXTENDED, 0, mode, 0, size, place, 0, entry.uid, entry.gid, seconds, nanoseconds, 0)
        erofs.INODE.pack_into(self._records, at, *fields)

    def _is_whiteout(self, number: int) -> bool:
        place = number * erofs.INODE.size + erofs.PLACE
        return stat.S_ISCHR(self._modes[number]) and not any(self._records[place : place + 4])
