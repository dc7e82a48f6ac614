"""The OCI distribution-spec's own conformance suite: in every version it knows over a folder, and over a bucket."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import accounts
from tests.parts import server as server_part
from tests.parts.process import run
from tests.parts.required import required
from tests.parts.seaweed import Seaweed, seaweed
from tests.parts.server import Request

SPARSE = "[validation]\nsparse = true\n"
REDIRECTED = "[redirect]\nenabled = true\n"

# What a version of the specification does not have yet.
NOT_IN_1_1 = {
    "Blob upload cancel",
    "Manifest put with tag params",
    "Sparse Manifests",
    "Tag Param",
    "Tag Param sha512",
}
NOT_IN_1_0 = NOT_IN_1_1 | {"Blob anonymous mount", "Referrers"}


def conformance(address: str, folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Run the suite against `address`; its results.yaml: Pass, FAIL, ... of each API and data set.

    AssertionError, with the first that the suite has said, if anything failed.
    """
    env = {
        "PATH": os.environ["PATH"],
        "OCI_REGISTRY": address,
        "OCI_TLS": "disabled",
        "OCI_REPO1": "conformance/one",
        "OCI_REPO2": "conformance/two",
        "OCI_RESULTS_DIR": str(folder),
        **settings,
    }
    done = run(required("conformance"), env=env)
    # After a mistake in its settings the suite says so, tests nothing and exits with 0.
    results = folder / "results.yaml"
    said = done.stderr[:4000]
    assert done.returncode == 0, said
    assert results.exists(), said
    _, _, apis_and_data = results.read_text().partition("\napis:\n")
    return dict(re.findall(r"^  (\w[^:]+): (\w+)$", apis_and_data, re.MULTILINE))


def assert_everything_passes(
    storage: Path | str, config: str, settings: dict[str, str], off: set[str], folder: Path
) -> list[Request]:
    """What the version has not is off, and nothing else is failed, skipped or not run; all requests."""
    path = folder / "preg.toml"
    path.write_text(config)
    with server_part.serving(storage, path) as server, server.recording() as requests:
        results = conformance(server.address, folder / "results", settings)
    assert len(results) == 52
    assert results == {name: "Disabled" if name in off else "Pass" for name in results}
    return requests


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        pytest.param({"OCI_VERSION": "1.0"}, NOT_IN_1_0, id="1.0"),
        pytest.param({"OCI_VERSION": "1.1"}, NOT_IN_1_1, id="1.1"),
        pytest.param({"OCI_VERSION": "dev"}, {"Sparse Manifests"}, id="dev"),
        pytest.param({"OCI_VERSION": "dev", "OCI_DATA_SPARSE": "true"}, set(), id="dev-sparse"),
    ],
)
def test_everything_the_suite_asks_passes(settings: dict[str, str], off: set[str], tmp_path: Path) -> None:
    config = SPARSE if "OCI_DATA_SPARSE" in settings else ""
    assert_everything_passes(tmp_path / "storage", config, settings, off, tmp_path)


@pytest.mark.parametrize("mode", ["htpasswd", "token"])
def test_everything_the_suite_asks_passes_with_a_password(mode: str, tmp_path: Path) -> None:
    settings = {"OCI_VERSION": "dev", "OCI_USERNAME": "admin", "OCI_PASSWORD": accounts.password("admin")}
    config = accounts.settings(tmp_path, mode)
    requests = assert_everything_passes(tmp_path / "storage", config, settings, {"Sparse Manifests"}, tmp_path)
    assert 401 in [each.status for each in requests]


@pytest.fixture(scope="module")
def store() -> Iterator[Seaweed]:
    with seaweed() as running:
        yield running


def test_everything_the_suite_asks_passes_over_a_bucket(store: Seaweed, tmp_path: Path) -> None:
    assert_everything_passes(store.url(), "", {"OCI_VERSION": "dev"}, {"Sparse Manifests"}, tmp_path)


def test_everything_the_suite_asks_passes_with_downloads_from_the_bucket_itself(store: Seaweed, tmp_path: Path) -> None:
    # The next version wants Docker-Content-Digest of whoever sends a blob, and no bucket sends that.
    requests = assert_everything_passes(store.url(), REDIRECTED, {"OCI_VERSION": "1.1"}, NOT_IN_1_1, tmp_path)
    downloads = [each.status for each in requests if each.method == "GET" and "/blobs/sha" in each.path]
    assert 307 in downloads
    assert 200 not in downloads
