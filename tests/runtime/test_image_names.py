"""An image that is here is found by its name as people write it, without that being read by the rules for names."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Fault
from runtime.images import Images, Record
from runtime.workspace import open_workspace
from storage.oci.digest import Digest
from storage.oci.errors import RegistryError
from storage.oci.reference import Reference

DIGEST = Digest.of(b"a manifest")
NAMES = [
    "docker.io/library/a:latest",
    "docker.io/a/b:1",
    "localhost/a:1",
    "localhost/a/b:1",
    "a:1/b:latest",
    "[::1]:5000/b:1",
    "A/a:latest",
    f"docker.io/library/a@{DIGEST}",
    f"h.example/{'/'.join('a' * 9 for _ in range(25))}:{'t' * 128}",
]
#: What names are made of, and what could lead to a file that is none's, or another's.
PARTS = ["a", "b", "1", "A", "t" * 128, ":", "/", "@", ".", "..", "%2F", "localhost", "docker.io", "library", "latest"]
TEXTS = st.lists(
    st.sampled_from([*PARTS, str(DIGEST), "index.docker.io", "[::1]:5000", "\0", "é", "\udcff"]), max_size=9
)


@pytest.fixture(scope="module")
def images() -> Iterator[Images]:
    with tempfile.TemporaryDirectory() as home:
        images = Images(home)
        with open_workspace(images) as workspace, images.using():
            for number, name in enumerate(NAMES):
                record = Record("", Digest.of(b"%d" % number), DIGEST, "", DIGEST, 0.0)
                workspace.name(record, Reference.parse(name))
        yield images


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found_in_each_of_its_forms(images: Images, name: str) -> None:
    reference = Reference.parse(name)
    found = images.find(reference)
    assert found is not None
    assert found.reference == name
    for text in (name, reference.familiar, name.replace("docker.io/", "index.docker.io/")):
        assert images.find_by_name(text) == found
    assert [record.reference for record in images.names()] == sorted(NAMES)


def test_a_tag_beside_a_digest_decides_nothing(images: Images) -> None:
    found = images.find_by_name(f"a:other@{DIGEST}")
    assert found is not None
    assert found.reference == f"docker.io/library/a@{DIGEST}"


@given(text=TEXTS.map("".join))
def test_nothing_else_is_found_than_by_the_rules_for_names(images: Images, text: str) -> None:
    try:
        expected = images.find(Reference.parse(text))
    except RegistryError:
        expected = None
    assert images.find_by_name(text) == expected


@pytest.mark.parametrize("text", ["localhost/a%2Fb:1", "localhost/a/../a:1", "localhost/a:1.json", "", "."])
def test_the_name_of_a_file_is_not_that_of_an_image(images: Images, text: str) -> None:
    assert images.find_by_name(text) is None


def test_the_file_of_a_name_is_named_after_it(images: Images) -> None:
    files = [path.name for path in Path(images.home, "references").iterdir()]
    assert "docker.io%2Fa%2Fb:1.json" in files
    assert max(map(len, files)) <= 255


def test_a_configuration_that_cannot_be_read_is_told_from_one_that_was_damaged(tmp_path: Path) -> None:
    images = Images(str(tmp_path))
    strange, damaged = (Digest.of(raw) for raw in (b"[1]", b"{}"))
    with open_workspace(images) as workspace:
        workspace.add_bytes(b"[1]", strange)
        workspace.add_bytes(b"{" + bytes(9), damaged)
    with pytest.raises(Fault, match="the configuration of x cannot be read: ImageConfig is no object"):
        images.config(strange, "x")
    assert images.has(strange)
    with pytest.raises(Fault, match=f"{damaged} was damaged on this host and has been removed: pull the image again"):
        images.config(damaged, "x")
    with pytest.raises(Fault, match=f"{damaged} is missing on this host: pull the image again"):
        images.config(damaged, "x")
