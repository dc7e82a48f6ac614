"""Layers as they lie on the host: found, mounted, and removed unless somebody stands on them."""

from pathlib import Path

import pytest

from runtime.errors import Fault
from runtime.layers import ROOT, Layers
from storage.oci.digest import Digest

DIFF_ID = Digest.of(b"a layer")


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    """A layer with one file."""
    made = tmp_path / "new/made"
    (made / ROOT).mkdir(parents=True)
    (made / ROOT / "file").write_bytes(b"x")
    layers = Layers(f"{tmp_path}/layers", f"{tmp_path}/containers")
    layers.publish(made, DIFF_ID)
    return layers


def test_a_layer_is_removed_once(layers: Layers, tmp_path: Path) -> None:
    assert list(layers.names()) == [DIFF_ID.hex]
    assert layers.remove(DIFF_ID, tmp_path / "new")
    assert not layers.has(DIFF_ID)
    assert list(layers.names()) == []
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{DIFF_ID.hex}.gone"]
    assert layers.remove(DIFF_ID, tmp_path / "new")


def test_a_layer_that_a_container_was_started_with_stays(layers: Layers, tmp_path: Path) -> None:
    lower = tmp_path / "containers/id/lower"
    lower.mkdir(parents=True)
    (lower / "0").symlink_to(f"{layers.path(DIFF_ID)}/{ROOT}")
    assert not layers.remove(DIFF_ID, tmp_path / "new")
    assert layers.has(DIFF_ID)
    (lower / "0").unlink()
    assert layers.remove(DIFF_ID, tmp_path / "new")


def test_a_layer_that_is_missing_is_named(layers: Layers) -> None:
    other = Digest.of(b"another")
    with pytest.raises(Fault, match=f"the layer {other} is missing on this host: pull the image again"):
        layers.ready([DIFF_ID, other])
