"""A layer's bytes on their way from the network to the archive reader: each is hashed, inflated and hashed once."""

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from runtime.ahead import Ahead
from runtime.errors import LayerInvalid

_PIECE: Final = 256 * 1024
_INFLATED_PIECE: Final = 256 * 1024
#: So many inflated pieces may wait for the reader, and as many for the hash.
_DEPTH: Final = 4
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: gzip cannot inflate by more than 1032; of zstd no honest layer comes near.
_RATIO_LIMIT: Final = 2000
_RATIO_FROM: Final = 1024**3


class Readable(Protocol):
    """Where the compressed bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Wait for some bytes, that many at most; none at the end."""


class LayerStream:
    """The archive within a compressed layer, read from its start to its end.

    ``size_limit`` is of the archive, in bytes. ``keep`` is given each piece of the archive. Inflating has a thread of
    its own, and so have the archive's digest and ``keep``.
    """

    def __init__(self, source: Readable, size_limit: int, keep: Callable[[bytes], object] | None = None) -> None:
        self.compressed = hashlib.sha256()
        self.archive = hashlib.sha256()
        self.archive_size = 0
        self._compressed_size = 0
        self._source = source
        self._keep = keep
        self._size_limit = size_limit
        self._inflated = Ahead(self._inflate(), _DEPTH)
        self._pieces = Ahead(self._hash(), _DEPTH)
        self._piece = b""
        self._at = 0
        self._before = 0

    @property
    def position(self) -> int:
        """How much of the archive has been read."""
        return self._before + self._at

    def close(self) -> None:
        """Stop before the end."""
        self._pieces.close()  # which takes from the other
        self._inflated.close()

    def read(self, size: int) -> bytes:
        """Read that many bytes, fewer only at the end."""
        start, end = self._at, self._at + size
        if end <= len(self._piece):
            self._at = end
            return self._piece[start:end]
        return b"".join(self.pieces(size))

    def skip(self, size: int) -> None:
        """Pass over bytes. Raises LayerInvalid if the stream ends before."""
        self._at += size
        while (beyond := self._at - len(self._piece)) > 0:
            if not self._next():
                raise _cut_off()
            self._at = beyond

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Give that many bytes in pieces, fewer only at the end."""
        while size > 0:
            if self._at == len(self._piece) and not self._next():
                return
            taken = memoryview(self._piece)[self._at : self._at + size]
            self._at += len(taken)
            size -= len(taken)
            yield taken

    def copy(self, size: int, file: int) -> None:
        """Write that many bytes to an open file. Raises LayerInvalid if the stream ends before."""
        for piece in self.pieces(size):
            rest = piece
            while rest:
                rest = rest[os.write(file, rest) :]
            size -= len(piece)
        if size:
            raise _cut_off()

    def drain(self) -> None:
        """Read what is left, which belongs to the digests."""
        while self._next():
            pass

    def _next(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._before += len(self._piece)
        self._piece, self._at = piece, 0
        return True

    def _hash(self) -> Iterator[bytes]:
        for piece in self._inflated:
            self.archive.update(piece)
            if self._keep is not None:
                self._keep(piece)
            yield piece

    def _inflate(self) -> Iterator[bytes]:
        for piece in _decompress(self._compressed()):
            self.archive_size += len(piece)
            if self.archive_size > self._size_limit:
                raise LayerInvalid(f"the layer inflates to more than {self._size_limit} bytes")
            if self.archive_size > max(_RATIO_FROM, _RATIO_LIMIT * self._compressed_size):
                raise LayerInvalid(f"the layer inflates to more than {_RATIO_LIMIT} times its size, as bombs do")
            yield piece

    def _compressed(self) -> Iterator[bytes]:
        while piece := self._source.read(_PIECE):
            self.compressed.update(piece)
            self._compressed_size += len(piece)
            yield piece


def _cut_off() -> LayerInvalid:
    return LayerInvalid("the layer's archive is cut off in the middle of a file")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the manners of those of bz2, lzma and zstd: it keeps what it could not take yet."""

    def __init__(self) -> None:
        # A quarter faster than Python's zlib, which is what a pull from nearby waits for.
        from isal import isal_zlib  # noqa: PLC0415 - as below

        self._zlib = isal_zlib.decompressobj(16 + isal_zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        tail = self._zlib.unconsumed_tail
        return self._zlib.decompress(tail + data if tail else data, max_length)


def _decompress(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Tell the compression by its first bytes, as Docker does: media types are often wrong."""
    first = next(pieces, b"")
    while len(first) < len(_ZSTD) and (more := next(pieces, b"")):
        first += more
    if first.startswith(_GZIP):
        yield from _inflate_members(first, pieces, _Gzip)
    elif first.startswith(_ZSTD):
        yield from _inflate_members(first, pieces, _zstd)
    else:
        yield first
        yield from pieces


def _zstd() -> _Decompressor:
    from runtime.zstd import ZstdDecompressor  # noqa: PLC0415 - few layers need it

    return ZstdDecompressor()


def _inflate_members(first: bytes, pieces: Iterator[bytes], new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Inflate members that follow each other, as pigz and seekable formats write them."""
    member, waiting = new(), first
    while True:
        try:
            inflated = member.decompress(waiting, _INFLATED_PIECE)
        except Exception as error:  # IsalError, ZstdError: each library has its own
            raise LayerInvalid(f"the layer cannot be decompressed: {error}") from error
        if inflated:
            yield inflated
        waiting = b""
        if member.eof:
            waiting = member.unused_data or next(pieces, b"")
            # Zeros after the last member are padding (GNU gzip does the same).
            if not waiting.strip(b"\0"):
                for _ in pieces:
                    pass
                return
            member = new()
        elif len(inflated) < _INFLATED_PIECE:
            waiting = next(pieces, b"")
            if not waiting:
                raise LayerInvalid("the layer is cut off: its compressed data has no end")
