"""Drivers by URL, and those that other distributions bring along."""

from pathlib import Path

import pytest

from storage.errors import StorageUnavailable
from storage.plugins import open_driver

PLUGIN = """
class Driver:
    name = "third-party"

    def __init__(self, url):
        self.url = url

    async def stat(self, key):
        raise FileNotFoundError(key)
"""


def test_a_path_and_a_file_url_are_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    for url in (str(folder), folder.as_uri()):
        assert open_driver(url).local_path("a/b") == folder / "a/b"


def test_an_unknown_scheme_is_named_with_those_that_are_known() -> None:
    with pytest.raises(StorageUnavailable, match=r"no driver for gopher:// URLs: .*file, s3"):
        open_driver("gopher://host/path")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="file/store cannot be used: Not a directory"):
        open_driver(str(tmp_path / "file/store"))


async def test_a_driver_of_another_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "third_party.py").write_text(PLUGIN)
    metadata = tmp_path / "third_party-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[preg.storage]\nthird = third_party:Driver\n")
    monkeypatch.syspath_prepend(tmp_path)
    store = open_driver("third://somewhere?x=1")
    assert store.name == "third-party"
    with pytest.raises(FileNotFoundError, match="third-party 'a/b'"):
        await store.stat("a/b")
