"""Names, tags and references."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.oci.digest import Digest
from storage.oci.errors import DigestInvalid, NameInvalid, RegistryError, TagInvalid
from storage.oci.reference import Reference, parse_name, parse_tag, parse_tag_or_digest
from tests.storage.oci.vocabulary import digests, names, near_misses, tags

# As distribution-spec, "Pulling manifests", prints them.
NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"

DIGEST = Digest("sha256:" + "0123456789abcdef" * 4)

hosts = st.sampled_from(
    [
        "localhost",
        "localhost:5000",
        "127.0.0.1:80",
        "[::1]:5000",
        "[fe80::1]",
        "quay.io",
        "a.b.c:65535",
        "Upper",
        "host:1",
    ]
)


@given(names)
def test_names_of_the_grammar(name: str) -> None:
    assert parse_name(name) == name


@given(tags)
def test_tags_of_the_grammar(tag: str) -> None:
    assert parse_tag(tag) == tag
    assert parse_tag_or_digest(tag) == tag


@given(digests)
def test_text_with_a_colon_is_a_digest(digest: Digest) -> None:
    parsed = parse_tag_or_digest(str(digest))
    assert isinstance(parsed, Digest)
    assert parsed == digest


@given(near_misses)
def test_nothing_else_is_accepted(text: str) -> None:
    assert _accepts(parse_name, text) == (re.fullmatch(NAME, text) is not None and len(text) <= 255)
    assert _accepts(parse_tag, text) == (re.fullmatch(TAG, text) is not None)
    if ":" in text:
        with pytest.raises(DigestInvalid):
            parse_tag_or_digest(text)


@pytest.mark.parametrize("name", ["a" * 255, "/".join(["a"] * 128), "a--b", "a__b/c.d", "0"])
def test_names_at_the_edge(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a/B",
        "..",
        "a/../b",
        "a..b",
        "a___b",
        "a._b",
        "-a",
        "a-",
        "_a",
        "a b",
        "a\n",
        "a%2Fb",
        "ä",
        "a" * 256,
    ],
)
def test_names_outside_the_grammar(name: str) -> None:
    with pytest.raises(NameInvalid):
        parse_name(name)


@pytest.mark.parametrize(
    "tag", ["a" * 128, "_", "latest", "0.1.0_build", f"sha256-{'a' * 64}", f"sha256-{'a' * 64}.sig"]
)
def test_tags_at_the_edge(tag: str) -> None:
    assert parse_tag_or_digest(tag) == tag
    assert not isinstance(parse_tag_or_digest(tag), Digest)


@pytest.mark.parametrize("tag", ["", "a" * 129, ".a", "-a", "a/b", "a b", "a+b", "a\n", "ü", "a@b"])
def test_tags_outside_the_grammar(tag: str) -> None:
    with pytest.raises(TagInvalid):
        parse_tag(tag)


def test_a_name_that_takes_long_to_refuse_does_not() -> None:
    """A grammar with nested repeats can take exponential time; this one would not end before the test run does."""
    with pytest.raises(NameInvalid):
        parse_name("a-" * 127 + "A")


@given(hosts, names, st.none() | tags, st.none() | digests)
def test_a_reference_reads_back(host: str, name: str, tag: str | None, digest: Digest | None) -> None:
    text = host + "/" + name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = Reference.parse(text)
    assert (reference.registry, reference.name, reference.digest) == (host, name, digest)
    assert reference.tag == (tag or (None if digest else "latest"))
    assert reference.target == (digest or reference.tag)
    assert Reference.parse(str(reference)) == reference


@given(near_misses)
def test_any_text_is_a_reference_that_reads_back_or_is_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except (NameInvalid, TagInvalid, DigestInvalid):
        return
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("me/app", "docker.io/me/app:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("index.docker.io/me/app", "docker.io/me/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
        ("host.example/a/b/c", "host.example/a/b/c:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}"),
        (f"h:1/app:t@{DIGEST}", f"h:1/app:t@{DIGEST}"),
    ],
)
def test_references_as_docker_reads_them(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", NameInvalid),
        ("App", NameInvalid),
        ("localhost:5000/", NameInvalid),
        ("ho_st:5000/app", NameInvalid),
        ("host:port/app", NameInvalid),
        ("[::1/app", NameInvalid),
        ("app:", TagInvalid),
        ("app:-x", TagInvalid),
        ("app@", DigestInvalid),
        ("app@sha256:short", DigestInvalid),
        (f"app@{DIGEST}@{DIGEST}", DigestInvalid),
        ("https://host.example/app", NameInvalid),
    ],
)
def test_what_is_no_reference(text: str, fault: type[RegistryError]) -> None:
    with pytest.raises(fault):
        Reference.parse(text)


def _accepts(parse: Callable[[str], str], text: str) -> bool:
    try:
        parse(text)
    except (NameInvalid, TagInvalid):
        return False
    return True


@given(st.one_of(st.just("docker.io"), hosts), names, st.none() | tags, st.none() | digests)
def test_the_familiar_form_is_read_back(host: str, name: str, tag: str | None, digest: Digest | None) -> None:
    if tag is None and digest is None:
        tag = "latest"
    text = f"{host}/{name}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    try:
        reference = Reference.parse(text)
    except NameInvalid:  # too long with what Docker adds
        return
    assert Reference.parse(reference.familiar) == reference


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("alpine", "alpine:latest"),
        ("docker.io/library/alpine:3", "alpine:3"),
        ("docker.io/team/app", "team/app:latest"),
        ("docker.io/library/a/b", "library/a/b:latest"),
        ("docker.io/localhost/a", "docker.io/localhost/a:latest"),
        ("docker.io/a.b/c", "docker.io/a.b/c:latest"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        (f"alpine:3@{DIGEST}", f"alpine:3@{DIGEST}"),
    ],
)
def test_the_familiar_form_is_dockers(text: str, familiar: str) -> None:
    assert Reference.parse(text).familiar == familiar
