"""Content digests: ``algorithm:hex`` (image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final, Self

#: The algorithms a registry must know, and how many lower-case hex digits each has.
ALGORITHMS: Final = {"sha256": 64, "sha512": 128}

_HEX: Final = frozenset("0123456789abcdef")


class Digest(str):
    """A digest that is known to be well formed; it is its own text.

    Raises:
        DigestInvalid: the text is malformed or names an algorithm outside ``ALGORITHMS``.

    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        algorithm, _, digits = text.partition(":")
        if len(digits) != ALGORITHMS.get(algorithm) or not _HEX.issuperset(digits):
            from storage.oci.errors import DigestInvalid  # noqa: PLC0415 - no container that starts needs them

            raise DigestInvalid("not a digest of the form sha256:<64 hex> or sha512:<128 hex>", text[:200])
        return super().__new__(cls, text)

    @property
    def algorithm(self) -> str:
        """The part before the colon."""
        return self[:6]

    @property
    def hex(self) -> str:
        """The part after the colon."""
        return self[7:]

    @classmethod
    def of(cls, content: bytes | memoryview, algorithm: str = "sha256") -> Digest:
        """Compute the digest of content that is in memory."""
        import hashlib  # noqa: PLC0415 - loads OpenSSL, and no container that starts computes a digest

        return cls(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")

    @classmethod
    def of_pieces(cls, pieces: Iterable[bytes], algorithm: str = "sha256") -> Digest:
        """Compute the digest of content that comes in pieces."""
        import hashlib  # noqa: PLC0415 - as above

        running = hashlib.new(algorithm)
        for piece in pieces:
            running.update(piece)
        return cls(f"{algorithm}:{running.hexdigest()}")
