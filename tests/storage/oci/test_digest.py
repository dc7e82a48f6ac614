"""Digests: image-spec, descriptor.md, "Digests"."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.oci.digest import ALGORITHMS, Digest
from storage.oci.errors import DigestInvalid
from tests.storage.oci.vocabulary import digests, near_misses

A = "a" * 64


@given(digests)
def test_a_digest_is_its_own_text(digest: Digest) -> None:
    algorithm, _, digits = str(digest).partition(":")
    assert (digest.algorithm, digest.hex) == (algorithm, digits)
    assert Digest(str(digest)) == digest
    assert {digest: 1}[Digest(f"{algorithm}:{digits}")] == 1


@given(near_misses)
def test_whatever_is_accepted_satisfies_the_grammar(text: str) -> None:
    try:
        digest = Digest(text)
    except DigestInvalid:
        return
    assert re.fullmatch(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        "sha256:baddigeststring",
        f"sha256:{'A' * 64}",
        f"sha256:{A}\n",
        f"sha256:{A}a",
        f"sha256:{A[1:]}",
        f" sha256:{A}",
        f"SHA256:{A}",
        f"sha512:{A}",
        f"sha256:{A}{A}",
        f"md5:{'a' * 32}",
        f"sha384:{'a' * 96}",
        f"blake3:{A}",
        f"sha256-{A}",
        "sha256:" + "\u0660" * 64,
        f"sha256:{'g' * 64}",
    ],
)
def test_what_is_no_digest(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest(text)


@given(st.lists(st.binary(max_size=50)), st.sampled_from(sorted(ALGORITHMS)))
def test_content_in_pieces_has_the_digest_of_the_whole(pieces: list[bytes], algorithm: str) -> None:
    whole = b"".join(pieces)
    expected = f"{algorithm}:{hashlib.new(algorithm, whole).hexdigest()}"
    assert Digest.of(whole, algorithm) == expected
    assert Digest.of(memoryview(whole), algorithm) == expected
    assert Digest.of_pieces(iter(pieces), algorithm) == expected
