"""Zstandard (RFC 8878), which the standard library has since Python 3.14."""

import sys

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError, ZstdFile, compress
else:
    from backports.zstd import ZstdDecompressor, ZstdError, ZstdFile, compress

__all__ = ("ZstdDecompressor", "ZstdError", "ZstdFile", "compress")
