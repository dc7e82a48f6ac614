"""Media types, and the Accept headers that real clients send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.oci import media

types = st.sampled_from([*sorted(media.MANIFESTS), "*/*", "application/json"])


@given(st.lists(types, min_size=1))
def test_one_line_or_many_say_the_same(wanted: list[str]) -> None:
    one_line = ", ".join(wanted)
    middle = len(wanted) // 2
    assert media.accepted(wanted) == media.accepted([one_line]) == frozenset(wanted)
    assert media.accepted([",".join(wanted[:middle]), ";q=0.5,".join(wanted[middle:])]) == frozenset(wanted)


@pytest.mark.parametrize("weight", ["q=0", "q=0.0", "q=0.000", " q = 0", "Q=0"])
def test_a_weight_of_zero_refuses(weight: str) -> None:
    assert media.accepted([f"a/b;{weight}, c/d"]) == {"c/d"}


@pytest.mark.parametrize("weight", ["q=0.001", "q=1", "charset=utf-8", "v=b3;q=0.7", ""])
def test_any_other_weight_accepts(weight: str) -> None:
    assert media.accepted([f"a/b;{weight}"]) == {"a/b"}


@given(st.lists(st.text(max_size=30)))
def test_arbitrary_accept_lines_are_read(lines: list[str]) -> None:
    assert all(kind and kind == kind.strip() for kind in media.accepted(lines))


@given(st.text(max_size=30))
def test_an_essence_is_its_own_essence(text: str) -> None:
    essence = media.essence(text)
    assert ";" not in essence
    assert media.essence(essence) == essence


@pytest.mark.parametrize(
    ("content_type", "essence"),
    [
        ("", ""),
        (media.OCI_INDEX, media.OCI_INDEX),
        (f"{media.OCI_INDEX}; charset=utf-8", media.OCI_INDEX),
        (f" {media.OCI_INDEX.upper()} ;a=b;c", media.OCI_INDEX),
    ],
)
def test_essences(content_type: str, essence: str) -> None:
    assert media.essence(content_type) == essence


def test_foreign_layers_are_known_in_every_compression() -> None:
    foreign = (
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
    )
    for base in foreign:
        assert media.is_foreign_layer(base)
        assert media.is_foreign_layer(base + "+gzip")
        assert media.is_foreign_layer(base + ".gzip")
    for own in (media.OCI_LAYER, media.OCI_LAYER_GZIP, media.OCI_LAYER_ZSTD, media.DOCKER_LAYER_GZIP, ""):
        assert not media.is_foreign_layer(own)
