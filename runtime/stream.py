"""A layer's bytes on their way from the network to the archive reader: each is hashed, inflated and hashed once."""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, Protocol

from runtime.errors import LayerInvalid

_PIECE: Final = 256 * 1024
_INFLATED_PIECE: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: gzip cannot inflate by more than 1032; of zstd no honest layer comes near.
_RATIO_LIMIT: Final = 2000
_RATIO_FROM: Final = 1024**3


class LayerStream:
    """The archive within a compressed layer, read from its start to its end.

    ``keep`` is given each compressed piece. ``size_limit`` is of the archive, in bytes.
    """

    def __init__(self, source: BinaryIO, keep: Callable[[bytes], object], size_limit: int) -> None:
        self.compressed = hashlib.sha256()
        self.compressed_size = 0
        self.archive = hashlib.sha256()
        self.archive_size = 0
        self._source = source
        self._keep = keep
        self._size_limit = size_limit
        self._pieces = self._inflate()
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Read that many bytes, fewer only at the end."""
        if len(self._piece) >= size:
            taken = bytes(self._piece[:size])
            self._piece = self._piece[size:]
            return taken
        return b"".join(self._take(size))

    def skip(self, size: int) -> None:
        """Pass over bytes. Raises LayerInvalid if the stream ends before."""
        if size and sum(len(piece) for piece in self._take(size)) < size:
            raise LayerInvalid("the layer's archive is cut off")

    def copy(self, size: int, file: int) -> None:
        """Write that many bytes to an open file. Raises LayerInvalid if the stream ends before."""
        for piece in self._take(size):
            rest = piece
            while rest:
                rest = rest[os.write(file, rest) :]
            size -= len(piece)
        if size:
            raise LayerInvalid("the layer's archive is cut off in the middle of a file")

    def drain(self) -> None:
        """Read what is left, which belongs to the digests."""
        self._piece = memoryview(b"")
        for _ in self._pieces:
            pass

    def _take(self, size: int) -> Iterator[memoryview]:
        while size > 0:
            if not self._piece:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._piece = memoryview(piece)
            taken = self._piece[:size]
            self._piece = self._piece[len(taken) :]
            size -= len(taken)
            yield taken

    def _inflate(self) -> Iterator[bytes]:
        for piece in _decompress(self._compressed()):
            self.archive.update(piece)
            self.archive_size += len(piece)
            if self.archive_size > self._size_limit:
                raise LayerInvalid(f"the layer inflates to more than {self._size_limit} bytes")
            if self.archive_size > max(_RATIO_FROM, _RATIO_LIMIT * self.compressed_size):
                raise LayerInvalid(f"the layer inflates to more than {_RATIO_LIMIT} times its size, as bombs do")
            yield piece

    def _compressed(self) -> Iterator[bytes]:
        while piece := self._source.read(_PIECE):
            self.compressed.update(piece)
            self.compressed_size += len(piece)
            self._keep(piece)
            yield piece


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the manners of those of bz2, lzma and zstd: it keeps what it could not take yet."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


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
    from backports.zstd import ZstdDecompressor  # noqa: PLC0415 - few layers need it

    return ZstdDecompressor()


def _inflate_members(first: bytes, pieces: Iterator[bytes], new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Inflate members that follow each other, as pigz and seekable formats write them."""
    member, waiting = new(), first
    while True:
        try:
            inflated = member.decompress(waiting, _INFLATED_PIECE)
        except Exception as error:  # zlib.error, ZstdError: each library has its own
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
