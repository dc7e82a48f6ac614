"""Making a layer of what the network brings, in a process of its own for each layer.

So layers are made side by side, and a hostile one can be ended. The process is told how much of the layer has come so
far: it reads the file itself, in which it stays to be pushed again.
"""

import errno
import gc
import os
import sys
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from runtime.archive import SIZE_LIMIT, Budget, Read, read_into
from runtime.config import DIRECTORIES
from runtime.errors import LayerInvalid
from runtime.inodes import Inodes
from runtime.kernel import die_with_parent, start_writeback, sync_file_system
from runtime.layers import ARCHIVE, INDEX, ROOT, SIZE, sync_file
from runtime.lean import from_json, signal
from runtime.sockets import Socket
from runtime.stream import LayerStream, Readable
from runtime.tree import show
from runtime.unpack import Directory

#: So many bytes are sent to the disk at a time.
_STRETCH: Final = 4 * 1024 * 1024
#: Python lets a thread run for 5 ms before another may; the C code of the others needs it sooner.
_SWITCH: Final = 0.0005


def make(source: Readable, folder: Path, mode: str) -> Read:
    """Make a layer in an empty directory.

    Raises:
        LayerInvalid: it is damaged or hostile; what is there so far is left to the caller to remove.
        OSError: such as a full disk.

    """
    (folder / ROOT).mkdir(mode=0o755)
    done = _unpack(source, folder / ROOT) if mode == DIRECTORIES else _index(source, folder)
    # For people only, so that it may be lost with the power.
    (folder / SIZE).write_text(str(done.content))
    return done


def _unpack(source: Readable, target: Path) -> Read:
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    stream = LayerStream(source, SIZE_LIMIT)
    before = os.umask(0)
    try:
        budget = Budget()
        done = read_into(Directory(root, budget), stream, budget)
    finally:
        stream.close()
        os.umask(before)
        os.close(root)
    return done


def _index(source: Readable, folder: Path) -> Read:
    budget = Budget()
    inodes = Inodes(budget)
    with (folder / ARCHIVE).open("xb", buffering=0) as archive:
        writeback = _Writeback(archive.fileno())

        def keep(piece: bytes) -> None:
            rest = memoryview(piece)
            while rest:
                rest = rest[archive.write(rest) or 0 :]
            writeback.grown(len(piece))

        stream = LayerStream(source, SIZE_LIMIT, keep)
        try:
            done = read_into(inodes, stream, budget)
        finally:
            stream.close()
        writeback.start()
        with (folder / INDEX).open("xb") as index:
            inodes.write(done.size, bytes.fromhex(done.diff_id[7:39]), index)
    return done


def settle(folder: Path, mode: str) -> None:
    """Make a layer durable."""
    if mode == DIRECTORIES:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        sync_file_system(file)
        os.close(file)
    else:
        for name in (ARCHIVE, INDEX):
            sync_file(folder / name)
        sync_file(folder)


class _Writeback:
    """Has a file that grows written to disk all the while, so that little is left to wait for when it is settled."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._begun = 0
        self._size = 0

    def grown(self, by: int) -> None:
        """Take note of so many bytes more."""
        self._size += by
        if self._size - self._begun >= _STRETCH:
            self.start()

    def start(self) -> None:
        """Have all written that is there by now."""
        start_writeback(self._file, self._begun, self._size - self._begun)
        self._begun = self._size


class _Coming:
    """A file that is still being written. Each line of ``news`` is the number of bytes that are there by then."""

    def __init__(self, file: BinaryIO, news: BinaryIO) -> None:
        self._file = file
        self._news = news
        self._writeback = _Writeback(file.fileno())
        self._ready = 0
        self._at = 0

    def read(self, size: int) -> bytes:
        """See ``Readable``."""
        while self._at == self._ready and (line := self._news.readline()):
            self._ready = int(line)
        if self._at == self._ready:
            self._writeback.start()
            return b""
        piece = os.pread(self._file.fileno(), min(size, self._ready - self._at), self._at)
        self._at += len(piece)
        self._writeback.grown(len(piece))
        return piece


class Order(NamedTuple):
    """A layer that is to be made, and what it must turn out to be."""

    folder: str
    mode: str
    coming: str
    """The file in which it comes."""
    digest: str
    diff_id: str


def work(orders: Socket) -> None:
    """Make layers until nobody can order any more. With each order come two open files.

    From the one an ``Order`` is read, and how much has come by then, line by line. To the other goes a line that is
    empty if all went well, and otherwise says what did not.
    """
    # The next command removes what a killed one was about to make, and nobody may go on with it then.
    die_with_parent()
    sys.setswitchinterval(_SWITCH)
    gc.disable()  # which would visit every name of a layer over and over; there are no cycles
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.getpid()
    while True:
        order, files = orders.receive_files(1, 2)
        if not order:
            return
        if os.fork() == 0:
            orders.close()
            die_with_parent()
            if os.getppid() == parent:
                _answer(*files)
            os._exit(0)
        for file in files:
            os.close(file)


def _answer(news: int, answer: int) -> None:
    try:
        with open(news, "rb") as lines:
            message = make_to_order(Order(*from_json(lines.readline())), lines)
    except Exception as error:  # noqa: BLE001 - whoever has ordered tells it
        message = repr(error)
    os.write(answer, f"{message}\n".encode())


def make_to_order(order: Order, news: BinaryIO) -> str:
    """Make a layer, and say what is wrong with it; nothing if it is as it should be, and durable."""
    folder = Path(order.folder)
    try:
        with open(order.coming, "rb", buffering=0) as file:
            done = make(_Coming(file, news), folder, order.mode)
        if (done.digest, done.diff_id) == (order.digest, order.diff_id):
            settle(folder, order.mode)
            sync_file(Path(order.coming))
            return ""
    except LayerInvalid as fault:
        return str(fault)
    except OSError as error:
        return cannot_keep(order.digest, order.folder, error)
    if done.digest != order.digest:
        return f"the registry sent {done.digest} as layer {order.digest}"
    return f"the layer {order.digest} holds {done.diff_id}, and the image says {order.diff_id}"


def cannot_keep(digest: str, folder: str, error: OSError) -> str:
    """Say why the system did not let a layer be made."""
    cure = "; free some space there and pull again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"the layer {digest} cannot be kept: {error.strerror}: {show(os.fsencode(error.filename or folder))}{cure}"
