"""Header values, held to an oracle that counts bytes one by one and to RFC 9110 and RFC 8288."""

import string
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.oci.errors import RangeInvalid
from storage.oci.headers import (
    Challenge,
    Span,
    format_challenge,
    format_content_range,
    format_link,
    format_unsatisfied_range,
    format_upload_range,
    parse_challenge,
    parse_content_range,
    parse_etags,
    parse_link,
    parse_range,
    parse_upload_range,
)

sizes = st.integers(0, 12)
positions = st.integers(0, 15)
token = st.text(string.ascii_letters + "_", min_size=1, max_size=8)


@given(sizes, positions | st.none(), positions | st.none())
def test_a_range_is_the_bytes_it_names(size: int, first: int | None, last: int | None) -> None:
    value = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    content = range(size)
    if first is None and last is None:
        assert parse_range(value, size) is None
        return
    if first is None:
        assert last is not None
        wanted = [i for i in content if i >= size - last]
    else:
        wanted = [i for i in content if i >= first and (last is None or i <= last)]
    if not wanted:
        with pytest.raises(RangeInvalid):
            parse_range(value, size)
    else:
        span = parse_range(value, size)
        assert span is not None
        assert list(content[span.start : span.stop]) == wanted
        assert span.length == len(wanted)


@pytest.mark.parametrize("value", ["bytes=0-1", "Bytes=0-1", "bytes = 0-1", "bytes= 0 - 1 ", "BYTES=00-01"])
def test_ranges_in_odd_dress(value: str) -> None:
    assert parse_range(value, 10) == Span(0, 2)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=--1",
        "bytes=1--2",
        "bytes=0-1,4-5",
        "bytes=-1,-2",
        "bytes=0x1-2",
        "bytes=\u0660-\u0661",
        "items=0-1",
        "0-1",
        "bytes=0-1\n",
        f"bytes=0-{'9' * 20}",
    ],
)
def test_what_is_ignored(value: str) -> None:
    if value == "bytes=0-1\n":
        assert parse_range(value, 10) == Span(0, 2)
    else:
        assert parse_range(value, 10) is None


@given(st.text(max_size=30) | st.text("bytes=0123456789-, ", max_size=20), sizes)
def test_any_range_is_inside_ignored_or_refused(value: str, size: int) -> None:
    try:
        span = parse_range(value, size)
    except RangeInvalid:
        return
    assert span is None or 0 <= span.start < span.stop <= size


@given(
    st.integers(0, 10**12), st.integers(1, 10**12), st.sampled_from(["{}", "bytes {}", "{}/*", "bytes  {}/99", " {} "])
)
def test_a_content_range_reads_back(start: int, length: int, dress: str) -> None:
    span = Span(start, start + length)
    assert parse_content_range(dress.format(f"{start}-{start + length - 1}")) == span
    assert parse_content_range(format_content_range(span, start + length)) == span


@given(st.text(max_size=20) | st.text("bytes 0123456789-/*", max_size=20))
def test_any_content_range_is_a_span_or_refused(value: str) -> None:
    try:
        span = parse_content_range(value)
    except RangeInvalid:
        return
    assert 0 <= span.start < span.stop


@pytest.mark.parametrize(
    "value", ["", "-", "5", "5-", "-5", "5-4", "a-b", "bytes=0-1", "bytes */5", "0-1,2-3", "0-1/x", "+0-1", "0 - 1"]
)
def test_what_is_no_content_range(value: str) -> None:
    with pytest.raises(RangeInvalid):
        parse_content_range(value)


def test_an_unsatisfied_range_says_the_size() -> None:
    assert format_unsatisfied_range(5) == "bytes */5"


@given(st.integers(2, 10**15))
def test_an_upload_range_reads_back(offset: int) -> None:
    assert format_upload_range(offset) == f"0-{offset - 1}"
    assert parse_upload_range(format_upload_range(offset)) == offset


def test_an_upload_of_no_bytes_cannot_be_told_from_one_of_one() -> None:
    """Docker reads 0-0 as nothing, and cannot read 0--1; a client that sends one byte again is told where to go on."""
    assert format_upload_range(0) == format_upload_range(1) == "0-0"
    assert parse_upload_range("0-0") == 0


@pytest.mark.parametrize("value", ["", "0", "1-5", "0--1", "bytes=0-5x"])
def test_what_is_no_upload_range(value: str) -> None:
    with pytest.raises(RangeInvalid):
        parse_upload_range(value)


@given(st.text(max_size=20).filter(str.isprintable), st.integers(0, 9999))
def test_a_link_reads_back(last: str, number: int) -> None:
    link = format_link("/v2/a/tags/list", {"last": last, "n": number})
    assert link.endswith('; rel="next"')
    assert link.isascii()
    target = parse_link(link)
    assert target is not None
    parts = urlsplit(target)
    assert parts.path == "/v2/a/tags/list"
    assert parse_qs(parts.query, keep_blank_values=True) == {"last": [last], "n": [str(number)]}


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ('</v2/_catalog?last=a>; rel="next"', "/v2/_catalog?last=a"),
        ("</x>; rel=next", "/x"),
        ('  <http://h/x?a=1,2>  ;title="t" ; rel="next"', "http://h/x?a=1,2"),
        ('</x>; REL="NEXT"', "/x"),
        ('</x>; rel="prev"', None),
        ("</x>", None),
        ("", None),
        ('x; rel="next"', None),
        ("<", None),
    ],
)
def test_links_of_other_registries(value: str, target: str | None) -> None:
    assert parse_link(value) == target


@given(st.text(max_size=60) | st.text('<>;=",rel next', max_size=60))
def test_any_link_is_read(value: str) -> None:
    target = parse_link(value)
    assert target is None or target in value


@given(
    st.sampled_from(["bearer", "basic"]),
    st.dictionaries(token.map(str.lower), st.text(max_size=20), min_size=1, max_size=4),
)
def test_a_challenge_reads_back(scheme: str, parameters: dict[str, str]) -> None:
    challenge = Challenge(scheme, parameters)
    assert parse_challenge(format_challenge(challenge)) == challenge


@given(st.text(max_size=60) | st.text('Bearer =",\\ab ', max_size=60))
def test_any_challenge_is_read(value: str) -> None:
    challenge = parse_challenge(value)
    assert challenge is None or challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize(
    ("value", "challenge"),
    [
        (
            'Bearer realm="https://a/t",service="r",scope="repository:x:pull,push"',
            Challenge("bearer", {"realm": "https://a/t", "service": "r", "scope": "repository:x:pull,push"}),
        ),
        ("basic Realm=x", Challenge("basic", {"realm": "x"})),
        ('BEARER realm = "a" , service = b', Challenge("bearer", {"realm": "a", "service": "b"})),
        (r'Basic realm="a\"b\\c"', Challenge("basic", {"realm": 'a"b\\c'})),
        ('Bearer realm=""', Challenge("bearer", {"realm": ""})),
        ("Bearer", None),
        ("", None),
        ('Bearer realm="unfinished', None),
        ('Bearer realm="a" service="b"', None),
        ("Bearer realm", None),
    ],
)
def test_challenges_of_other_registries(value: str, challenge: Challenge | None) -> None:
    assert parse_challenge(value) == challenge


def test_challenges_are_quoted_and_begin_with_the_scheme_as_clients_match_it() -> None:
    assert format_challenge(Challenge("bearer", {"realm": "r", "scope": "a b"})) == 'Bearer realm="r",scope="a b"'


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ('"a"', {"a"}),
        ("a", {"a"}),
        ('W/"a", "b",c', {"a", "b", "c"}),
        ("*", {"*"}),
        ("", set()),
        (' , ""', set()),
    ],
)
def test_etags(value: str, tags: set[str]) -> None:
    assert parse_etags(value) == tags


@given(st.text(max_size=40))
def test_any_etags_are_read(value: str) -> None:
    assert "" not in parse_etags(value)
