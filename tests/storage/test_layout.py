"""The layout's keys: what is built is parsed back, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import layout
from storage.layout import (
    BlobData,
    Entry,
    LayerLink,
    ReferrerDescriptor,
    ReferrerMark,
    RevisionLink,
    TagHistoryLink,
    TagLink,
    UploadData,
)
from storage.oci.digest import Digest
from storage.oci.reference import Name, Tag
from tests.storage.oci.vocabulary import digests, names, near_misses, tags

HEX = "ab" + "0" * 62
D = Digest(f"sha256:{HEX}")

sessions = st.text("0123456789abcdef", min_size=32, max_size=32)
entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(BlobData, digests),
    st.builds(LayerLink, names, digests),
    st.builds(RevisionLink, names, digests),
    st.builds(TagLink, names, tags),
    st.builds(TagHistoryLink, names, tags, digests),
    st.builds(UploadData, names, sessions),
    st.builds(ReferrerDescriptor, names, digests, st.integers(0, 10**16 - 1), digests),
    st.builds(ReferrerMark, names, digests, digests),
)
words = st.sampled_from(
    [
        *("docker", "registry", "v2", "blobs", "repositories", "_layers", "_manifests", "revisions", "tags", "current"),
        *(
            "index",
            "link",
            "data",
            "_uploads",
            "_referrers",
            "order",
            "sha256",
            "sha512",
            "ab",
            HEX,
            "a",
            "",
            "..",
            "A",
        ),
    ]
)


@given(entries)
def test_what_is_built_is_parsed_back(entry: Entry) -> None:
    parsed = layout.parse(entry.key)
    assert parsed == entry
    assert type(parsed) is type(entry)


@given(st.lists(entries, min_size=2, max_size=2, unique_by=lambda entry: (type(entry), entry)))
def test_no_two_entries_share_a_key(pair: list[Entry]) -> None:
    first, second = (entry.key for entry in pair)
    assert first != second
    assert not second.startswith(first + "/"), "an object may not lie below another"


@given(near_misses | st.lists(words, max_size=12).map("/".join))
def test_arbitrary_text_is_unknown_or_rebuilds_to_itself(text: str) -> None:
    for key in (text, layout.REPOSITORIES + text, f"docker/registry/v2/blobs/{text}"):
        entry = layout.parse(key)
        assert entry is None or entry.key == key


@given(entries, st.data())
def test_a_key_with_one_component_off_is_unknown_or_another_entry(entry: Entry, data: st.DataObject) -> None:
    parts = entry.key.split("/")
    parts[data.draw(st.integers(0, len(parts) - 1))] = data.draw(words | near_misses)
    key = "/".join(parts)
    parsed = layout.parse(key)
    assert parsed is None or parsed.key == key


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        (BlobData(D), f"blobs/sha256/ab/{HEX}/data"),
        (LayerLink(Name("a/b"), D), f"repositories/a/b/_layers/sha256/{HEX}/link"),
        (RevisionLink(Name("a"), D), f"repositories/a/_manifests/revisions/sha256/{HEX}/link"),
        (TagLink(Name("a"), Tag("1.0")), "repositories/a/_manifests/tags/1.0/current/link"),
        (TagHistoryLink(Name("a"), Tag("_"), D), f"repositories/a/_manifests/tags/_/index/sha256/{HEX}/link"),
        (UploadData(Name("a"), "0f"), "repositories/a/_uploads/0f/data"),
        (ReferrerMark(Name("a"), D, D), f"repositories/a/_referrers/sha256/{HEX}/sha256/{HEX}"),
        (
            ReferrerDescriptor(Name("a"), D, 1_764_000_000_000_000, D),
            f"repositories/a/_referrers/sha256/{HEX}/order/1764000000000000.sha256.{HEX}",
        ),
    ],
)
def test_the_tree_is_the_one_that_registry_2_made(entry: Entry, key: str) -> None:
    assert entry.key == f"docker/registry/v2/{key}"


@given(names, tags, digests)
def test_prefixes_lead_to_what_lies_below_them(name: Name, tag: Tag, digest: Digest) -> None:
    assert RevisionLink(name, digest).key.startswith(layout.revisions(name))
    assert TagLink(name, tag).key.startswith(layout.tag(name, tag))
    assert TagHistoryLink(name, tag, digest).key.startswith(layout.tag(name, tag))
    assert layout.tag(name, tag).startswith(layout.tags(name))
    assert ReferrerDescriptor(name, digest, 0, digest).key.startswith(layout.referrers(name, digest))
    assert not ReferrerMark(name, digest, digest).key.startswith(layout.referrers(name, digest))


@pytest.mark.parametrize(
    "key",
    [
        f"blobs/sha256/cd/{HEX}/data",
        f"blobs/sha256/a/{HEX}/data",
        f"blobs/sha256/ab/{HEX}/data/",
        f"blobs/sha256/ab/{HEX.upper()}/data",
        f"blobs/md5/ab/{'ab' * 16}/data",
        f"repositories/_layers/sha256/{HEX}/link",
        f"repositories/A/_layers/sha256/{HEX}/link",
        f"repositories/a//_layers/sha256/{HEX}/link",
        f"repositories/a/_manifests/tags/-x/index/sha256/{HEX}/link",
        "repositories/a/_manifests/tags/x/current",
        "repositories/a/_other/x",
        "repositories/a/b/link",
        "",
    ],
)
def test_what_lies_there_and_is_not_ours(key: str) -> None:
    assert layout.parse(f"docker/registry/v2/{key}") is None
