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
    parse_ranges,
    parse_upload_range,
)

sizes = st.integers(0, 12)
positions = st.integers(0, 15)
token = st.text(string.ascii_letters + "_", min_size=1, max_size=8)


def wanted_by(first: int | None, last: int | None, size: int) -> list[int]:
    """The bytes that a range names, counted one by one."""
    if first is None:
        assert last is not None
        return [i for i in range(size) if i >= size - last]
    return [i for i in range(size) if i >= first and (last is None or i <= last)]


def written(first: int | None, last: int | None) -> str:
    return f"{'' if first is None else first}-{'' if last is None else last}"


ranges = st.tuples(positions | st.none(), positions | st.none()).filter(lambda both: both != (None, None))


@given(sizes, ranges)
def test_a_range_is_the_bytes_it_names(size: int, both: tuple[int | None, int | None]) -> None:
    value, wanted = f"bytes={written(*both)}", wanted_by(*both, size)
    if size == 0:
        assert parse_ranges(value, size) == []
    elif not wanted:
        with pytest.raises(RangeInvalid):
            parse_ranges(value, size)
    else:
        (span,) = parse_ranges(value, size)
        assert list(range(span.start, span.stop)) == wanted
        assert span.length == len(wanted)


@given(sizes, st.lists(ranges, min_size=2, max_size=6))
def test_several_ranges_are_each_the_bytes_they_name(size: int, several: list[tuple[int | None, int | None]]) -> None:
    value = "bytes=" + ", ".join(written(*both) for both in several)
    wanted = [found for both in several if (found := wanted_by(*both, size))]
    if size == 0 or sum(map(len, wanted)) > size:
        assert parse_ranges(value, size) == []
    elif not wanted:
        with pytest.raises(RangeInvalid):
            parse_ranges(value, size)
    else:
        assert [list(range(span.start, span.stop)) for span in parse_ranges(value, size)] == wanted


@pytest.mark.parametrize(
    "value",
    [
        *("bytes=0-1", "Bytes=0-1", "bytes = 0-1", "bytes= 0 - 1 ", "BYTES=00-01", "bytes=0-1\n"),
        *("bytes=0-1,", "bytes=,0-1", "bytes=0-1,10-", "bytes=5-4,0-1"),
    ],
)
def test_ranges_in_odd_dress(value: str) -> None:
    assert parse_ranges(value, 10) == [Span(0, 2)]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=--1",
            "bytes=1--2",
            "bytes=,",
            "bytes=0-1,-",
        ),
        *("bytes=0-1,x", "bytes=0x1-2", "bytes=\u0660-\u0661", "items=0-1", "0-1", f"bytes=0-{'9' * 20}"),
    ],
)
def test_what_is_ignored(value: str) -> None:
    assert parse_ranges(value, 10) == []


def test_many_ranges_are_taken_in_order_only() -> None:
    """RFC 9110, section 14.2: more than any client needs may be ignored."""
    few, many, too_many = (["{0}-{0}".format(2 * i) for i in range(count)] for count in (16, 1024, 1025))
    for texts, taken in ((few, True), (few[::-1], True), (many, True), (many[::-1], False), (too_many, False)):
        assert len(parse_ranges(f"bytes={','.join(texts)}", 10_000)) == (len(texts) if taken else 0)
    assert parse_ranges(f"bytes=0-0,{'-' * 100_000}", 10) == []
    assert parse_ranges("bytes=0-5,4-9", 10) == []


@given(st.text(max_size=30) | st.text("bytes=0123456789-, ", max_size=20), sizes)
def test_any_ranges_are_inside_ignored_or_refused(value: str, size: int) -> None:
    try:
        spans = parse_ranges(value, size)
    except RangeInvalid:
        return
    assert all(0 <= span.start < span.stop <= size for span in spans)


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
        ('</x>; rel="prev", </y>; rel="next"', "/y"),
        ('</x>; rel="first next"; title="a, <b>; rel=\\"c\\""', "/x"),
        ('</x>; title="; rel=next"', None),
        ("</x>; anchor; rel=next", "/x"),
        ("</x>; rel=prev; rel=next", None),
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
