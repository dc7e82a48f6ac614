"""The source files of what is shipped."""

from collections.abc import Iterator
from pathlib import Path

from tests.parts.required import ROOT

ROOMS = ("auth", "registry", "runtime", "storage")


def sources() -> Iterator[Path]:
    """Every Python file of the four rooms, relative to the repository."""
    for room in ROOMS:
        found = [path.relative_to(ROOT) for path in (ROOT / room).rglob("*.py")]
        assert found
        yield from found
