"""How content lies in a store is known to one file: any other could come to disagree with it."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.rooms import sources
from tests.parts.required import ROOT

PART_OF_A_KEY = re.compile(r"_(?:layers|manifests|uploads|referrers)/|docker/registry|revisions/|current/|/link$")
LAYOUT = Path("storage/layout.py")


def said(path: Path) -> list[str]:
    """The strings of a source file that look like a part of a key."""
    nodes = ast.walk(ast.parse((ROOT / path).read_text()))
    strings = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [string for string in strings if PART_OF_A_KEY.search(string)]


@pytest.mark.parametrize("path", sorted({*sources()} - {LAYOUT}), ids=str)
def test_no_other_file_spells_out_a_key(path: Path) -> None:
    assert said(path) == []


def test_the_layout_does() -> None:
    assert len(said(LAYOUT)) > 5
