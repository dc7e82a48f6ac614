"""What hypothesis draws for each word of the specifications; the grammars are spelled out anew, not imported."""

from hypothesis import strategies as st

from storage.oci.digest import Digest
from storage.oci.reference import Name, Tag

HEX = "0123456789abcdef"

digests = st.one_of(
    st.text(HEX, min_size=64, max_size=64).map(lambda digits: Digest(f"sha256:{digits}")),
    st.text(HEX, min_size=128, max_size=128).map(lambda digits: Digest(f"sha512:{digits}")),
)

_alphanumeric = st.text("abcxyz0189", min_size=1, max_size=6)
_separator = st.sampled_from([".", "_", "__", "-", "--", "----"])


@st.composite
def _components(draw: st.DrawFn) -> str:
    parts = [draw(_alphanumeric)]
    for _ in range(draw(st.integers(0, 2))):
        parts += [draw(_separator), draw(_alphanumeric)]
    return "".join(parts)


#: Words of the protocol's own paths are good names, and the hardest ones.
components = st.one_of(
    _components(), st.sampled_from(["a", "blobs", "uploads", "manifests", "tags", "list", "referrers", "v2", "latest"])
)
names = st.lists(components, min_size=1, max_size=5).map("/".join).filter(lambda text: len(text) <= 255).map(Name)

_tag_first = "abcXYZ019_"
tags = st.builds(
    lambda first, rest: Tag(first + rest),
    st.sampled_from(_tag_first),
    st.text(_tag_first + ".-", max_size=127),
)

#: Text that comes close to what a grammar takes, more often than arbitrary text does.
near_misses = st.one_of(
    st.text(max_size=40),
    st.text("abcABC019._-/:@%+ \n\t\x00é\udcff", max_size=40),
    st.text("/._-a", max_size=12),
)
